//! Tenants, their projects, users.

use wire::people::{
    Project, ProjectCreate, ProjectCreated, ProjectMember, ProjectMemberSet, Tenant, TenantCreate, TenantCreated,
    TenantPatch, TenantsQuery, User, UserCreate, UserCreated, UserPatch, UsersQuery,
};

use crate::jobs::filters;
use crate::{Client, ClientError, Pages};

impl Client {
    pub fn tenants(&self) -> Pages<Tenant> {
        self.tenants_like(&TenantsQuery::default())
    }
    pub fn tenants_like(&self, query: &TenantsQuery) -> Pages<Tenant> {
        Pages::new(self, &["v1", "tenants"], filters(query))
    }
    /// `tenant` is a name or an id, as in all calls below.
    pub async fn tenant(&self, tenant: &str) -> Result<Tenant, ClientError> {
        self.read(self.get(&["v1", "tenants", tenant])).await
    }
    pub async fn create_tenant(&self, tenant: &TenantCreate) -> Result<TenantCreated, ClientError> {
        self.read(self.post(&["v1", "tenants"]).json(tenant).once(None)).await
    }
    pub async fn update_tenant(&self, tenant: &str, patch: &TenantPatch) -> Result<(), ClientError> {
        self.done(self.patch(&["v1", "tenants", tenant]).json(patch)).await
    }
    pub fn projects(&self, tenant: &str) -> Pages<Project> {
        Pages::new(self, &["v1", "tenants", tenant, "projects"], Vec::new())
    }
    pub async fn create_project(&self, tenant: &str, project: &ProjectCreate) -> Result<ProjectCreated, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "projects"]).json(project).once(None)).await
    }
    /// `project` is a name or an id, as `user` below.
    pub fn project_members(&self, tenant: &str, project: &str) -> Pages<ProjectMember> {
        Pages::new(self, &["v1", "tenants", tenant, "projects", project, "members"], Vec::new())
    }
    pub async fn set_project_member(
        &self,
        tenant: &str,
        project: &str,
        user: &str,
        set: &ProjectMemberSet,
    ) -> Result<(), ClientError> {
        self.done(self.put(&["v1", "tenants", tenant, "projects", project, "members", user]).json(set)).await
    }
    pub async fn remove_project_member(&self, tenant: &str, project: &str, user: &str) -> Result<(), ClientError> {
        self.done(self.delete(&["v1", "tenants", tenant, "projects", project, "members", user])).await
    }
    pub fn users(&self, query: &UsersQuery) -> Pages<User> {
        Pages::new(self, &["v1", "users"], filters(query))
    }
    pub async fn create_user(&self, user: &UserCreate) -> Result<UserCreated, ClientError> {
        self.read(self.post(&["v1", "users"]).json(user).once(None)).await
    }
    /// `user` is a name or an id.
    pub async fn update_user(&self, user: &str, patch: &UserPatch) -> Result<(), ClientError> {
        self.done(self.patch(&["v1", "users", user]).json(patch)).await
    }
}
