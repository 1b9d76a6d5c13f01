//! Commands on tenants, projects, users and tokens.

use std::sync::Arc;

use base::{ProjectId, TenantId, UserId};
use model::people::valid_name;
use model::{Actor, ContractTier, EventKind, Project, ProjectRole, Role, Tenant, TenantStatus, User};

use crate::denied::Denied;
use crate::input::{Command, Report};
use crate::record::{Batch, Record};
use crate::state::{Engine, TenantEntry};

/// What becomes another of a tenant: shares, status, contract tier, regions.
type TenantChange = (Option<u32>, Option<TenantStatus>, Option<ContractTier>, Option<Arc<[Arc<str>]>>);

/// Members of one project: its document, which is written with every change, stays below 64 KiB (60 bytes each).
const MEMBERS_MAX: usize = 1_000;

impl Engine {
    pub(crate) fn people_command(&mut self, command: Command, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let action = command.word();
        match command {
            Command::CreateTenant { .. } => self.create_tenant(command, actor, out),
            Command::ChangeTenant { tenant, shares, status, credit_limit, tier, regions } => {
                self.change_tenant(tenant, (shares, status, tier, regions), actor, credit_limit, out)
            }
            Command::CreateProject { id, tenant, name } => {
                self.tenants.get(&tenant).ok_or(Denied::NotFound("tenant"))?;
                self.check_name("project", Some(tenant), &name)?;
                if self.projects.contains_key(&id) {
                    return Err(Denied::Invalid("a project with this id exists"));
                }
                let members = Default::default();
                self.enter_project(Project { id, tenant, name: name.as_str().into(), members }, out);
                self.people_changed(out, actor, action, id.to_string(), Some(tenant), name);
                Ok(Report::Project { project: id })
            }
            Command::SetMember { project, user, role } => self.set_member(project, user, role, actor, out),
            Command::CreateUser { user, password } => self.create_user(user, password, actor, out),
            Command::ChangeUser { user, role, disabled } => self.change_user(user, role, disabled, actor, out),
            Command::SetPassword { user, password } => {
                let tenant = self.users.get(&user).ok_or(Denied::NotFound("user"))?.tenant;
                out.records.push(Record::Password { user, phc: password });
                self.audit(out, actor, action, user.to_string(), Some(tenant), String::new());
                Ok(Report::User { user })
            }
            Command::IssueToken(token) => {
                let user = self.users.get(&token.user).ok_or(Denied::NotFound("user"))?;
                if user.disabled {
                    return Err(Denied::UserDisabled);
                }
                let (id, tenant) = (token.id, user.tenant);
                let detail = format!("{} {}", token.label, token.scope.as_str());
                out.records.push(Record::Token(token));
                self.audit(out, actor, action, id.to_string(), Some(tenant), detail);
                Ok(Report::Token { token: id })
            }
            Command::RevokeToken { token } => {
                out.records.push(Record::TokenRevoked { token, at: self.now });
                self.audit(out, actor, action, token.to_string(), None, String::new());
                Ok(Report::Token { token })
            }
            _ => Err(Denied::Invalid("not a command on people")),
        }
    }

    fn create_tenant(&mut self, command: Command, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let action = command.word();
        let Command::CreateTenant { id, name, currency, shares, credit_limit, tier, regions, project } = command else {
            return Err(Denied::Invalid("not a command on people"));
        };
        self.check_name("tenant", None, &name)?;
        if self.tenants.contains_key(&id) {
            return Err(Denied::Invalid("a tenant with this id exists"));
        }
        if shares == 0 {
            return Err(Denied::Invalid("shares must be at least 1"));
        }
        if credit_limit.is_negative() {
            return Err(Denied::Invalid("the credit limit is negative"));
        }
        if self.projects.contains_key(&project) {
            return Err(Denied::Invalid("a project with this id exists"));
        }
        // From here on nothing fails.
        let wallet = self.open_wallet(id, currency, credit_limit, out)?;
        let name: Arc<str> = name.into();
        let tenant = Tenant {
            id,
            name: name.clone(),
            currency,
            shares,
            status: TenantStatus::Active,
            tier,
            regions,
            tax_ppm: 0,
        };
        self.enter_tenant(tenant.clone(), wallet);
        out.records.push(Record::Tenant(tenant));
        let members = Default::default();
        self.enter_project(Project { id: project, tenant: id, name: "default".into(), members }, out);
        self.people_changed(out, actor, action, id.to_string(), Some(id), name.to_string());
        Ok(Report::Tenant { tenant: id })
    }

    fn create_user(
        &mut self,
        user: User,
        password: Option<String>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let action = "user.create";
        self.check_name("user", None, &user.name)?;
        let project = self.projects.get(&user.default_project).ok_or(Denied::NotFound("project"))?;
        if project.tenant != user.tenant {
            return Err(Denied::ForeignProject);
        }
        if self.users.contains_key(&user.id) {
            return Err(Denied::Invalid("a user with this id exists"));
        }
        let (id, tenant) = (user.id, user.tenant);
        self.names.insert(("user", None, user.name.clone()));
        self.users.insert(id, user.clone());
        out.records.push(Record::User(user.clone()));
        if let Some(phc) = password {
            out.records.push(Record::Password { user: id, phc });
        }
        self.event(out, actor, Some(tenant), None, EventKind::UserChanged { user: id });
        self.audit(out, actor, action, id.to_string(), Some(tenant), format!("{} {}", user.name, user.role.as_str()));
        Ok(Report::User { user: id })
    }

    fn change_user(
        &mut self,
        user: UserId,
        role: Option<Role>,
        disabled: Option<bool>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let operates = |user: &User| user.role == Role::Operator && !user.disabled;
        let before = self.users.get(&user).ok_or(Denied::NotFound("user"))?;
        let after =
            User { role: role.unwrap_or(before.role), disabled: disabled.unwrap_or(before.disabled), ..before.clone() };
        if operates(before) && !operates(&after) && !self.users.values().any(|u| u.id != user && operates(u)) {
            return Err(Denied::LastOperator);
        }
        self.users.insert(user, after.clone());
        let detail = format!("role {}, disabled {}", after.role.as_str(), after.disabled);
        let tenant = Some(after.tenant);
        out.records.push(Record::User(after));
        self.event(out, actor, tenant, None, EventKind::UserChanged { user });
        self.audit(out, actor, "user.change", user.to_string(), tenant, detail);
        Ok(Report::User { user })
    }

    /// The first member closes a project to everybody else of its tenant, the last to go opens it again. What is queued or runs in
    /// it goes on.
    fn set_member(
        &mut self,
        project: ProjectId,
        user: UserId,
        role: Option<ProjectRole>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let before = self.projects.get(&project).ok_or(Denied::NotFound("project"))?;
        let known = self.users.get(&user).filter(|known| known.tenant == before.tenant);
        let name = known.ok_or(Denied::NotFound("user"))?.name.clone();
        if before.role_of(user) == role {
            return Ok(Report::Project { project });
        }
        let after = before.with(user, role);
        if after.members.len() > MEMBERS_MAX {
            return Err(Denied::Invalid("the project has as many members as one may have: 1,000"));
        }
        let detail = format!("{}: {name} {}", after.name, role.map_or("no member any more", ProjectRole::as_str));
        let tenant = Some(after.tenant);
        self.enter_project(after, out);
        self.people_changed(out, actor, "project.member", project.to_string(), tenant, detail);
        Ok(Report::Project { project })
    }

    fn change_tenant(
        &mut self,
        tenant: TenantId,
        (shares, status, tier, regions): TenantChange,
        actor: Actor,
        credit_limit: Option<base::Money>,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let entry = self.tenants.get(&tenant).ok_or(Denied::NotFound("tenant"))?;
        let mut changed = entry.tenant.clone();
        changed.shares = shares.unwrap_or(changed.shares);
        changed.status = status.unwrap_or(changed.status);
        changed.tier = tier.unwrap_or(changed.tier);
        changed.regions = regions.unwrap_or(changed.regions);
        let other_rules = (changed.tier, &changed.regions) != (entry.tenant.tier, &entry.tenant.regions);
        if changed.shares == 0 {
            return Err(Denied::Invalid("shares must be at least 1"));
        }
        if let Some(limit) = credit_limit {
            self.set_credit(tenant, limit, out)?;
        }
        let wallet = entry_wallet(self, tenant);
        let detail = format!(
            "shares {}, {:?}, {}, regions [{}], credit {credit_limit:?}",
            changed.shares,
            changed.status,
            changed.tier.as_str(),
            changed.regions.join(", ")
        );
        out.records.push(Record::Tenant(changed.clone()));
        self.enter_tenant(changed, wallet);
        self.people_changed(out, actor, "tenant.change", tenant.to_string(), Some(tenant), detail);
        if other_rules {
            self.admissions.clear();
            self.requeue_all();
        }
        if credit_limit.is_some() {
            self.begin_unpaid(tenant, out);
            self.cover_again(tenant, out);
        }
        Ok(Report::Tenant { tenant })
    }

    fn check_name(&self, noun: &'static str, within: Option<TenantId>, name: &str) -> Result<(), Denied> {
        if !valid_name(name) {
            return Err(Denied::BadName { noun, name: name.chars().take(60).collect() });
        }
        if self.names.contains(&(noun, within, name.into())) {
            return Err(Denied::NameTaken { noun, name: name.into() });
        }
        Ok(())
    }

    pub(crate) fn enter_tenant(&mut self, tenant: Tenant, wallet: base::AccountId) {
        self.names.insert(("tenant", None, tenant.name.clone()));
        self.sched.set_tenant(tenant.id, tenant.shares);
        let has_part = self.policy.steering.lending.contains_key(&*tenant.name);
        let promise = self.policy.steering.contracts.get(&*tenant.name).copied();
        self.sched.set_promise(tenant.id, promise);
        self.tenants.insert(tenant.id, TenantEntry { tenant, wallet });
        if has_part {
            self.set_stakes();
        }
    }

    fn enter_project(&mut self, project: Project, out: &mut Batch) {
        out.records.push(Record::Project(project.clone()));
        self.restore_project(project);
    }

    pub(crate) fn restore_project(&mut self, project: Project) {
        self.names.insert(("project", Some(project.tenant), project.name.clone()));
        self.projects.insert(project.id, project);
    }

    fn people_changed(
        &mut self,
        out: &mut Batch,
        actor: Actor,
        action: &str,
        target: String,
        tenant: Option<TenantId>,
        detail: String,
    ) {
        self.event(out, actor, tenant, None, EventKind::TenantChanged);
        self.audit(out, actor, action, target, tenant, detail);
    }
}

fn entry_wallet(engine: &Engine, tenant: TenantId) -> base::AccountId {
    engine.tenants.get(&tenant).map_or(base::AccountId::from_u128(0), |t| t.wallet)
}
