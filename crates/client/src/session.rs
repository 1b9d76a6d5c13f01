//! Signing in, who one is, tokens, health.

use base::TokenId;
use wire::session::{Login, PasswordChange, Token, TokenCreate, TokenIssued, WhoAmI};

use crate::{Client, ClientError, Pages};

impl Client {
    /// Exchanges name and password for a token. Not repeated once it may have arrived: sign-ins are counted.
    pub async fn login(&self, login: &Login) -> Result<TokenIssued, ClientError> {
        self.read(self.post(&["v1", "login"]).json(login)).await
    }
    pub async fn who_am_i(&self) -> Result<WhoAmI, ClientError> {
        self.read(self.get(&["v1", "session"])).await
    }
    pub fn tokens(&self) -> Pages<Token> {
        Pages::new(self, &["v1", "tokens"], Vec::new())
    }
    pub async fn create_token(&self, token: &TokenCreate) -> Result<TokenIssued, ClientError> {
        self.read(self.post(&["v1", "tokens"]).json(token)).await
    }
    pub async fn revoke_token(&self, token: TokenId) -> Result<(), ClientError> {
        self.done(self.delete(&["v1", "tokens", &token.to_string()])).await
    }
    pub async fn change_password(&self, change: &PasswordChange) -> Result<(), ClientError> {
        self.done(self.post(&["v1", "users", "me", "password"]).json(change)).await
    }
    /// Succeeds when the server can take requests now.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.done(self.get(&["readyz"])).await
    }
    /// The API's own description; `info.version` is its version.
    pub async fn openapi(&self) -> Result<serde_json::Value, ClientError> {
        self.read(self.get(&["v1", "openapi.json"])).await
    }
}
