//! The proofs that handlers receive. Each says what was checked; what a handler may do follows from the one it holds.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base::{JobId, Span, TenantId, TokenId};
use engine::{Command, Envelope, Once, Report};
use jobscript::JobRef;
use model::{Actor, Project, ProjectRole, Role, Tenant, Token, TokenScope, User};
use store::{JobEntry, LIST_LIMIT_MAX, PageRequest, Scope};
use tokio::sync::OwnedSemaphorePermit;
use wire::ErrorCode;

use super::identity::rank;
use super::{Http, Identity, Names, Segments, Shared, sign_in};
use crate::app::App;
use crate::problem::Failure;

/// Looking.
pub struct Read;
/// Looking and changing.
pub struct Write;

/// What a proof asks beyond seeing the thing.
pub trait Access: Send + Sync + 'static {
    const CHANGES: bool;
}
impl Access for Read {
    const CHANGES: bool = false;
}
impl Access for Write {
    const CHANGES: bool = true;
}

/// Somebody is signed in.
pub struct Caller {
    http: Shared,
    pub who: Arc<Identity>,
}

impl Caller {
    pub fn app(&self) -> &App {
        &self.http.app
    }
    pub fn names(&self) -> Names<'_> {
        self.http.names()
    }
    /// Somebody changed people, names or tokens: nothing remembered about them is trusted any more.
    pub fn forget(&self) {
        self.http.forget();
    }
    /// The right to one more open stream.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.http.stream_permit()
    }
    /// Whether the token that began this is still in force; asked now and then by long streams.
    pub async fn still_valid(&self) -> bool {
        // A store that cannot be read for a moment ends no stream.
        self.http.identity(self.who.digest).await.map_or(true, |who| who.is_some())
    }
    /// A job that the caller may see, by any of its names.
    pub async fn visible_job(&self, text: &str) -> Result<JobEntry, Failure> {
        visible_job(&self.http, &self.who, text).await
    }

    /// Ends the token that this request carries, whatever its scope.
    pub async fn end_own_token(&self) -> Result<(), Failure> {
        self.command(Command::RevokeToken { token: self.who.token }, None).await?;
        self.forget();
        Ok(())
    }

    async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        let who = &self.who;
        let envelope = Envelope { actor: Actor::User(who.user), operator: who.is_operator(), once, command };
        Ok(self.http.app.engine.command(envelope).await?)
    }
}

impl Clone for Caller {
    fn clone(&self) -> Self {
        Self { http: self.http.clone(), who: self.who.clone() }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        Ok(Self { http: http.clone(), who: http.authenticate(parts).await? })
    }
}

macro_rules! is_caller {
    ($($proof:ty),+) => {$(
        impl std::ops::Deref for $proof {
            type Target = Caller;
            fn deref(&self) -> &Caller { &self.caller }
        }
    )+};
}
is_caller!(SelfAccess, SubmitAccess, Sight, OperatorAccess, AuditAccess, UserAccess);

/// The caller's own tokens and password; the token has the whole scope.
pub struct SelfAccess {
    caller: Caller,
}

impl SelfAccess {
    /// Issues a token to the caller, of at most its own scope.
    pub async fn issue(
        &self,
        label: &str,
        scope: Option<TokenScope>,
        lifetime: Span,
    ) -> Result<(String, Token), Failure> {
        let scope = scope.unwrap_or(self.who.token_scope);
        if rank(scope) > rank(self.who.token_scope) {
            return Err(Failure::new(
                ErrorCode::ScopeTooNarrow,
                "a token cannot have more scope than the one that asks",
            ));
        }
        let user = self.user().await?;
        sign_in::issue(&self.caller.http, &user, label, scope, false, lifetime).await
    }

    /// Ends one of the caller's tokens.
    pub async fn revoke(&self, id: TokenId) -> Result<(), Failure> {
        let own = self.own_tokens().await?;
        let token = own.iter().find(|t| t.id == id).ok_or_else(|| Failure::not_found("token"))?;
        if token.revoked_at.is_none() {
            self.command(Command::RevokeToken { token: token.id }, None).await?;
            self.forget();
        }
        Ok(())
    }

    /// Sets a new password after checking the old one, and ends the sessions of other browsers.
    pub async fn change_password(
        &self,
        old: String,
        new: String,
        address: Option<std::net::IpAddr>,
    ) -> Result<(), Failure> {
        let http = &self.caller.http;
        let user = http.check_password(&self.who.name, old, address).await?;
        let password = http.new_password("new", new).await?;
        self.command(Command::SetPassword { user: user.id, password }, None).await?;
        let now = self.app().clock.now();
        for token in self.own_tokens().await? {
            if token.session && token.id != self.who.token && token.revoked_at.is_none() && token.expires_at > now {
                self.command(Command::RevokeToken { token: token.id }, None).await?;
            }
        }
        self.forget();
        Ok(())
    }

    /// All of them, newest first.
    async fn own_tokens(&self) -> Result<Vec<Token>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let request = PageRequest::new(Some(LIST_LIMIT_MAX), cursor.as_deref())
                .map_err(|e| Failure::internal(format!("own cursor: {e}")))?;
            let page = self.app().store.tokens_of(self.who.user, request).await?;
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    async fn user(&self) -> Result<User, Failure> {
        self.app().store.user(self.who.user).await?.ok_or_else(|| Failure::not_found("user"))
    }
}

impl FromRequestParts<Shared> for SelfAccess {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        caller.who.may_manage()?;
        Ok(Self { caller })
    }
}

/// The caller may hand in work for its own tenant.
pub struct SubmitAccess {
    caller: Caller,
}

impl SubmitAccess {
    pub async fn submit(&self, submission: engine::Submission, once: Option<Once>) -> Result<Report, Failure> {
        self.command(Command::Submit(Box::new(submission)), once).await
    }
    /// A job of a bulk request that the caller may change.
    pub async fn changeable_job(&self, text: &str) -> Result<JobAccess<Write>, Failure> {
        JobAccess::prove(self.caller.clone(), text).await
    }
}

impl FromRequestParts<Shared> for SubmitAccess {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        caller.who.may_work()?;
        Ok(Self { caller })
    }
}

/// The file space of the caller's own tenant.
pub struct FilesAccess<A> {
    caller: Caller,
    access: PhantomData<A>,
}

impl<A> std::ops::Deref for FilesAccess<A> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<A: Access> FromRequestParts<Shared> for FilesAccess<A> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        if A::CHANGES {
            caller.who.may_work()?;
        }
        Ok(Self { caller, access: PhantomData })
    }
}

/// What the caller may see in lists: every tenant's, or its own only.
pub struct Sight {
    caller: Caller,
}

impl Sight {
    /// The tenant that a list is limited to, given a filter by name or id. A tenant out of sight reads as none at all.
    pub async fn scope(&self, filter: Option<&str>) -> Result<Scope, Failure> {
        let Some(text) = filter else { return Ok(self.who.scope()) };
        let found = self.names().find_tenant(text).await?.map(|t| t.id);
        found.filter(|id| self.who.sees(*id)).map(Scope::Tenant).ok_or_else(|| Failure::not_found("tenant"))
    }
}

impl FromRequestParts<Shared> for Sight {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        Ok(Self { caller: Caller::from_request_parts(parts, http).await? })
    }
}

/// The caller is an operator whose token has the whole scope.
pub struct OperatorAccess {
    caller: Caller,
}

impl OperatorAccess {
    pub async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        // Months are closed by the thousand, one after the other, and change neither people nor supply.
        let keeps_names = matches!(command, Command::Bill(_));
        let report = self.caller.command(command, once).await?;
        if !keeps_names {
            self.forget();
        }
        Ok(report)
    }
    /// A tenant by name or id.
    pub async fn tenant(&self, text: &str) -> Result<Tenant, Failure> {
        self.names().find_tenant(text).await?.ok_or_else(|| Failure::not_found("tenant"))
    }
}

impl FromRequestParts<Shared> for OperatorAccess {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        if !caller.who.is_operator() {
            return Err(Failure::new(ErrorCode::Forbidden, "only operators may do this"));
        }
        caller.who.may_manage()?;
        Ok(Self { caller })
    }
}

/// The caller may read the operator's books.
pub struct AuditAccess {
    caller: Caller,
}

impl FromRequestParts<Shared> for AuditAccess {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        if !caller.who.sees_all() {
            return Err(Failure::new(ErrorCode::Forbidden, "only operators and auditors may read this"));
        }
        Ok(Self { caller })
    }
}

/// The tenant named in the path, which the caller may see or change.
pub struct TenantAccess<A> {
    caller: Caller,
    pub tenant: Tenant,
    access: PhantomData<A>,
}

impl<A> std::ops::Deref for TenantAccess<A> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl TenantAccess<Write> {
    pub async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        let report = self.caller.command(command, once).await?;
        self.forget();
        Ok(report)
    }
}

impl<A: Access> FromRequestParts<Shared> for TenantAccess<A> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        let segments = Segments::from_request_parts(parts, http).await?;
        let found = caller.names().find_tenant(segments.get("tenant")).await?;
        // Another tenant's existence is nobody's business.
        let tenant = found.filter(|t| caller.who.sees(t.id)).ok_or_else(|| Failure::not_found("tenant"))?;
        if A::CHANGES {
            manages(&caller.who, tenant.id)?;
        }
        Ok(Self { caller, tenant, access: PhantomData })
    }
}

/// Owners manage their own tenant, operators every one; with the whole scope.
fn manages(who: &Identity, tenant: TenantId) -> Result<(), Failure> {
    let allowed = match who.role {
        Role::Operator => true,
        Role::Owner => who.tenant == tenant,
        Role::Auditor | Role::Member => false,
    };
    if !allowed {
        return Err(Failure::new(ErrorCode::Forbidden, "only the tenant's owner or an operator may do this"));
    }
    who.may_manage()
}

/// The project named in the path, which the caller may see, or whose members it may name.
pub struct ProjectAccess<A> {
    caller: Caller,
    pub project: Project,
    access: PhantomData<A>,
}

impl<A> std::ops::Deref for ProjectAccess<A> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl ProjectAccess<Write> {
    pub async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        let report = self.caller.command(command, once).await?;
        self.forget();
        Ok(report)
    }
    /// A user of the project's tenant.
    pub async fn colleague(&self, text: &str) -> Result<User, Failure> {
        let user = self.names().find_user(text).await?.filter(|user| user.tenant == self.project.tenant);
        user.ok_or_else(|| Failure::not_found("user"))
    }
}

impl<A: Access> FromRequestParts<Shared> for ProjectAccess<A> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let TenantAccess { caller, tenant, .. } = TenantAccess::<Read>::from_request_parts(parts, http).await?;
        let segments = Segments::from_request_parts(parts, http).await?;
        let none = || Failure::not_found("project");
        let id = caller.names().find_project(tenant.id, segments.get("project")).await?.ok_or_else(none)?;
        // Read anew: what it says of the caller decides.
        let project = caller.app().store.project(id).await?.ok_or_else(none)?;
        if A::CHANGES {
            if owns(&caller.who, &project) {
                caller.who.may_manage()?;
            } else {
                manages(&caller.who, tenant.id).map_err(|failure| match failure.code {
                    ErrorCode::Forbidden => Failure::new(
                        ErrorCode::Forbidden,
                        "only an owner of the project or of the tenant, or an operator, may do this",
                    ),
                    _ => failure,
                })?;
            }
        }
        Ok(Self { caller, project, access: PhantomData })
    }
}

/// Owners of a project manage its members and its jobs.
fn owns(who: &Identity, project: &Project) -> bool {
    project.role_of(who.user) == Some(ProjectRole::Owner) && who.tenant == project.tenant && who.role != Role::Auditor
}

/// A user whom the caller may create or change.
pub struct UserAccess {
    caller: Caller,
}

impl UserAccess {
    /// The user named in the path, if the caller manages it. Owners do not touch operators and auditors.
    pub async fn target(&self, text: &str) -> Result<User, Failure> {
        let user = self.names().find_user(text).await?.filter(|u| self.who.sees(u.tenant));
        let user = user.ok_or_else(|| Failure::not_found("user"))?;
        manages(&self.who, user.tenant)?;
        self.may_grant(user.role)?;
        Ok(user)
    }
    /// Whether the caller may create somebody in this tenant.
    pub fn may_create(&self, tenant: TenantId, role: Role) -> Result<(), Failure> {
        manages(&self.who, tenant)?;
        self.may_grant(role)
    }
    /// Owners make members and owners; the roles that see every tenant are the operator's to give.
    pub fn may_grant(&self, role: Role) -> Result<(), Failure> {
        let own_kind = matches!(role, Role::Member | Role::Owner);
        if own_kind || self.who.is_operator() {
            return Ok(());
        }
        Err(Failure::new(ErrorCode::OperatorOnly, "only an operator makes or changes operators and auditors"))
    }
    pub async fn new_password(&self, password: String) -> Result<String, Failure> {
        self.caller.http.new_password("password", password).await
    }
    pub async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        let report = self.caller.command(command, once).await?;
        self.forget();
        Ok(report)
    }
}

impl FromRequestParts<Shared> for UserAccess {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        let tenant = caller.who.tenant;
        manages(&caller.who, tenant)?;
        Ok(Self { caller })
    }
}

/// The job named in the path, which the caller may see or change.
pub struct JobAccess<A> {
    caller: Caller,
    pub entry: JobEntry,
    access: PhantomData<A>,
}

impl<A> std::ops::Deref for JobAccess<A> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<A: Access> JobAccess<A> {
    pub fn id(&self) -> JobId {
        self.entry.row.job.id
    }

    async fn prove(caller: Caller, text: &str) -> Result<Self, Failure> {
        let entry = visible_job(&caller.http, &caller.who, text).await?;
        if A::CHANGES {
            caller.who.may_work()?;
            let own = entry.row.job.user == caller.who.user;
            let allowed = match caller.who.role {
                Role::Operator | Role::Owner => true,
                Role::Member => own || owns_project_of(&caller, &entry).await?,
                Role::Auditor => false,
            };
            if !allowed {
                return Err(Failure::new(
                    ErrorCode::Forbidden,
                    "the job is another user's: that user, an owner of its project or one of its tenant may do this",
                ));
            }
        }
        Ok(Self { caller, entry, access: PhantomData })
    }
}

async fn owns_project_of(caller: &Caller, entry: &JobEntry) -> Result<bool, Failure> {
    let project = caller.app().store.project(entry.row.job.project).await?;
    Ok(project.is_some_and(|project| owns(&caller.who, &project)))
}

impl JobAccess<Write> {
    /// Carries out a command on the job. The engine knows open jobs only; for one that has ended it is said so.
    pub async fn command(&self, command: Command, once: Option<Once>) -> Result<Report, Failure> {
        let ended = self.entry.row.ended_at.is_some();
        let report = self.caller.command(command, once).await.map_err(|failure| match failure.code {
            ErrorCode::JobNotFound if ended => Failure::new(
                ErrorCode::WrongState,
                format!("the job has ended ({}) and cannot change any more", self.entry.row.job.state().as_str()),
            ),
            _ => failure,
        })?;
        let inputs = &self.entry.spec.inputs;
        if !inputs.is_empty() {
            // A change of the time limit gives it another specification, under which its inputs are to be kept.
            let now = visible_job(&self.caller.http, &self.caller.who, &self.id().to_string()).await?;
            crate::inputs::keep(&self.caller, now.row.job.spec, inputs).await?;
        }
        Ok(report)
    }
}

impl<A: Access> FromRequestParts<Shared> for JobAccess<A> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        let segments = Segments::from_request_parts(parts, http).await?;
        Self::prove(caller, segments.get("job")).await
    }
}

/// Another tenant's job reads as none at all.
async fn visible_job(http: &Http, who: &Identity, text: &str) -> Result<JobEntry, Failure> {
    let named: JobRef =
        text.parse().map_err(|e: jobscript::ParseJobRefError| Failure::new(ErrorCode::JobNotFound, e.to_string()))?;
    let found = http.find_job(who.scope(), named).await?;
    found.ok_or_else(|| Failure::new(ErrorCode::JobNotFound, format!("there is no job {named}")))
}
