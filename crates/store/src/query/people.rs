//! Questions about tenants, projects, users, their passwords and tokens.

use base::{ProjectId, TenantId, Timestamp, UserId};
use model::{Project, Role, Tenant, Token, User};
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::query::listed::escape_like;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

const USERS: &str = "SELECT v, doc FROM users";
const TENANTS: &str = "SELECT v, doc FROM tenants";
const PROJECTS: &str = "SELECT v, doc FROM projects";
/// Looked up by one statement.
const IDS_PER_LOOKUP: usize = 500;

/// A token; when it was revoked stands in a column of its own.
fn get_token(row: &Row) -> Sql<Token> {
    let token: Token = codec::get(row, 0)?;
    Ok(Token { revoked_at: row.opt_int(2)?.map(Timestamp::from_micros), ..token })
}

impl SqlStore {
    /// Tenants of the scope, newest (largest id) first.
    pub async fn tenants(&self, scope: Scope, page: PageRequest) -> Result<Page<Tenant>, StoreError> {
        let mut select = Select::new(self.kind(), TENANTS);
        select.scope("id", scope);
        let found: Vec<Tenant> = self.newest(select, page).await?;
        Ok(page.page(found, |tenant| Cursor { number: 0, id: tenant.id.as_u128() }))
    }

    /// Those of them whose name has `part` in it, in lower case as all names are.
    pub async fn tenants_like(&self, scope: Scope, part: &str, page: PageRequest) -> Result<Page<Tenant>, StoreError> {
        let mut select = Select::new(self.kind(), TENANTS);
        select.scope("id", scope);
        select.filter("name LIKE ").text(&format!("%{}%", escape_like(part))).push(" ESCAPE '!'");
        let found: Vec<Tenant> = self.newest(select, page).await?;
        Ok(page.page(found, |tenant| Cursor { number: 0, id: tenant.id.as_u128() }))
    }

    /// Users of the scope whose name has `part` in it, and of a role if one is said; newest first.
    pub async fn users_like(
        &self,
        scope: Scope,
        part: &str,
        role: Option<Role>,
        page: PageRequest,
    ) -> Result<Page<User>, StoreError> {
        let mut select = Select::new(self.kind(), USERS);
        select.scope("tenant", scope);
        select.filter("name LIKE ").text(&format!("%{}%", escape_like(part))).push(" ESCAPE '!'");
        if let Some(role) = role {
            let word = serde_json::to_string(&role).unwrap_or_default();
            select.filter("doc LIKE ").text(&format!("%\"role\":{}%", escape_like(&word))).push(" ESCAPE '!'");
        }
        let found: Vec<User> = self.newest(select, page).await?;
        Ok(page.page(found, |user| Cursor { number: 0, id: user.id.as_u128() }))
    }

    /// Projects of the scope, newest first.
    pub async fn projects(&self, scope: Scope, page: PageRequest) -> Result<Page<Project>, StoreError> {
        let mut select = Select::new(self.kind(), PROJECTS);
        select.scope("tenant", scope);
        let found: Vec<Project> = self.newest(select, page).await?;
        Ok(page.page(found, |project| Cursor { number: 0, id: project.id.as_u128() }))
    }

    /// Users of the scope, newest first.
    pub async fn users(&self, scope: Scope, page: PageRequest) -> Result<Page<User>, StoreError> {
        let mut select = Select::new(self.kind(), USERS);
        select.scope("tenant", scope);
        let found: Vec<User> = self.newest(select, page).await?;
        Ok(page.page(found, |user| Cursor { number: 0, id: user.id.as_u128() }))
    }

    /// Documents by falling id.
    async fn newest<T: codec::Doc>(&self, mut select: Select, page: PageRequest) -> Result<Vec<T>, StoreError> {
        if let Some(after) = page.after() {
            select.filter("id < ").id(after.id);
        }
        select.push(" ORDER BY id DESC LIMIT ").int(page.rows());
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }

    async fn doc_by_id<T: codec::Doc>(&self, select: &str, id: u128) -> Result<Option<T>, StoreError> {
        let mut select = Select::new(self.kind(), select);
        select.filter("id = ").id(id);
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.doc_by_id(TENANTS, id.as_u128()).await
    }

    /// Those of these tenants that there are, in any order.
    pub async fn tenants_of(&self, ids: &[TenantId]) -> Result<Vec<Tenant>, StoreError> {
        self.docs_by_ids(TENANTS, ids.iter().map(|id| id.as_u128())).await
    }

    /// Those of these projects that there are, in any order.
    pub async fn projects_of(&self, ids: &[ProjectId]) -> Result<Vec<Project>, StoreError> {
        self.docs_by_ids(PROJECTS, ids.iter().map(|id| id.as_u128())).await
    }

    /// Those of these users that there are, in any order.
    pub async fn users_of(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.docs_by_ids(USERS, ids.iter().map(|id| id.as_u128())).await
    }

    async fn docs_by_ids<T: codec::Doc>(
        &self,
        sql: &str,
        ids: impl Iterator<Item = u128>,
    ) -> Result<Vec<T>, StoreError> {
        let (ids, mut found): (Vec<u128>, Vec<T>) = (ids.collect(), Vec::new());
        for some in ids.chunks(IDS_PER_LOOKUP) {
            let mut select = Select::new(self.kind(), sql);
            select.filter("id IN (");
            for (n, id) in some.iter().enumerate() {
                select.push(if n == 0 { "" } else { ", " }).id(*id);
            }
            select.push(")");
            found.extend(self.list(select.text, select.args, |row| codec::get(row, 0)).await?);
        }
        Ok(found)
    }

    pub async fn tenant_by_name(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let mut select = Select::new(self.kind(), TENANTS);
        select.filter("name = ").text(name);
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.doc_by_id(PROJECTS, id.as_u128()).await
    }

    pub async fn project_by_name(&self, tenant: TenantId, name: &str) -> Result<Option<Project>, StoreError> {
        let mut select = Select::new(self.kind(), PROJECTS);
        select.filter("tenant = ").id(tenant.as_u128()).filter("name = ").text(name);
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.doc_by_id(USERS, id.as_u128()).await
    }

    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        let mut select = Select::new(self.kind(), USERS);
        select.filter("name = ").text(name);
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// A user and the argon2id PHC string of the password, for signing in; `None` for users without a password too.
    pub async fn password(&self, user_name: &str) -> Result<Option<(User, String)>, StoreError> {
        let sql = "SELECT u.v, u.doc, p.phc FROM users u JOIN passwords p ON p.user_id = u.id";
        let mut select = Select::new(self.kind(), sql);
        select.filter("u.name = ").text(user_name);
        self.find(select.text, select.args, |row| Ok((codec::get(row, 0)?, row.text(2)?.to_owned()))).await
    }

    /// A token by the SHA-256 of its secret, and its user. Expiry, revocation and disabled users are the caller's check.
    pub async fn token(&self, digest: &[u8; 32]) -> Result<Option<(Token, User)>, StoreError> {
        let sql = "SELECT t.v, t.doc, t.revoked_at, u.v, u.doc FROM tokens t JOIN users u ON u.id = t.user_id \
            WHERE t.digest = $1";
        let mut args = self.args();
        args.bytes(digest);
        self.find(sql, args, |row| Ok((get_token(row)?, codec::get(row, 3)?))).await
    }

    /// Tokens and sessions of a user, newest first.
    pub async fn tokens_of(&self, user: UserId, page: PageRequest) -> Result<Page<Token>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc, revoked_at FROM tokens");
        select.filter("user_id = ").id(user.as_u128());
        if let Some(after) = page.after() {
            select.filter("id < ").id(after.id);
        }
        select.push(" ORDER BY id DESC LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, get_token).await?;
        Ok(page.page(found, |token| Cursor { number: 0, id: token.id.as_u128() }))
    }
}
