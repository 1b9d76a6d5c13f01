//! Signing in, tokens, cookies, passwords, tenants and users.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Platform, request};

async fn anna(platform: &Platform) {
    platform.tenant("lab").await;
    let user = json!({ "name": "anna", "role": "owner", "tenant": "lab", "password": PASSWORD });
    platform.post(&platform.admin, "/v1/users", user).await.expect(201);
}

async fn sign_in(platform: &Platform, password: &str) -> crate::support::Answer {
    platform.post("", "/v1/session", json!({ "name": "anna", "password": password })).await
}

/// A request with a session's cookie.
fn with_cookie(
    cookie: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
    csrf: bool,
) -> axum::http::Request<axum::body::Body> {
    let mut request = request("", method, path, body);
    request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    if csrf {
        request.headers_mut().insert(wire::CSRF_HEADER, "1".parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_session_lives_in_a_cookie_that_other_sites_cannot_use() {
    let platform = Platform::start().await;
    anna(&platform).await;
    let answer = sign_in(&platform, PASSWORD).await;
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let who = answer.expect(200);
    assert_eq!(
        (&who["user"]["name"], &who["user"]["tenant_name"], &who["scope"]),
        (&json!("anna"), &json!("lab"), &json!("full"))
    );
    let cookie = set.split(';').next().unwrap();
    let ask = |method, path: &str, body, csrf| platform.raw(with_cookie(cookie, method, path, body, csrf));
    ask(Method::GET, "/v1/session", None, false).await.expect(200);
    // Changes need the header that no foreign form can send.
    let project = || Some(json!({ "name": "new" }));
    ask(Method::POST, "/v1/tenants/lab/projects", project(), false).await.problem("csrf_missing");
    ask(Method::POST, "/v1/tenants/lab/projects", project(), true).await.expect(201);
    // The cookie's secret is no bearer token.
    let secret = cookie.split_once('=').unwrap().1;
    platform.get(secret, "/v1/session").await.problem("unauthenticated");
    let out = ask(Method::DELETE, "/v1/session", None, true).await;
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    out.expect(204);
    ask(Method::GET, "/v1/session", None, false).await.problem("unauthenticated");
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_are_told_alike_and_counted() {
    let platform = Platform::start().await;
    anna(&platform).await;
    let wrong = sign_in(&platform, "not the password").await.problem("sign_in_failed");
    let nobody = json!({ "name": "nobody", "password": PASSWORD });
    let unknown = platform.post("", "/v1/session", nobody).await.problem("sign_in_failed");
    assert_eq!(wrong["detail"], unknown["detail"]);
    let odd = json!({ "name": "No Such\u{0} Name", "password": "x".repeat(100_000) });
    platform.post("", "/v1/login", odd).await.problem("sign_in_failed");
    let mut refused = None;
    for _ in 0..server::limits::SIGN_INS_PER_MINUTE {
        let answer = sign_in(&platform, "not the password").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("guessing goes on for ever");
    assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    refused.problem("too_many_requests");
}

#[tokio::test]
async fn tokens_are_shown_once_and_end_when_revoked() {
    let platform = Platform::start().await;
    anna(&platform).await;
    let login =
        json!({ "name": "anna", "password": PASSWORD, "label": "laptop", "expires_in_seconds": 3600, "scope": "jobs" });
    let issued = platform.post("", "/v1/login", login).await.expect(200);
    let token = issued["token"].as_str().unwrap();
    assert!(token.starts_with("hwt_"));
    let who = platform.get(token, "/v1/session").await.expect(200);
    assert_eq!((&who["scope"], &who["expires_at"]), (&json!("jobs"), &issued["expires_at"]));
    // Not for people and tokens.
    platform.post(token, "/v1/tokens", json!({})).await.problem("scope_too_narrow");
    let full = platform.token("anna", model::TokenScope::Full).await;
    let listed = platform.get(&full, "/v1/tokens").await;
    assert!(!listed.text().contains(token));
    let listed = listed.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let narrow = platform.post(&full, "/v1/tokens", json!({ "scope": "read" })).await.expect(201);
    platform.get(narrow["token"].as_str().unwrap(), "/v1/session").await.expect(200);
    let path = format!("/v1/tokens/{}", issued["token_id"].as_str().unwrap());
    // Somebody else's token is none.
    platform.call(&platform.admin, Method::DELETE, &path, None).await.problem("not_found");
    platform.call(&full, Method::DELETE, &path, None).await.expect(204);
    platform.get(token, "/v1/session").await.problem("unauthenticated");
    for bad in [json!({ "expires_in_seconds": 1 }), json!({ "label": "x".repeat(101) }), json!({ "scope": "all" })] {
        platform.post(&full, "/v1/tokens", bad).await.problem("invalid");
    }
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_a_disabled_user_everything() {
    let platform = Platform::start().await;
    anna(&platform).await;
    let set = sign_in(&platform, PASSWORD).await.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    let cookie = set.split(';').next().unwrap();
    let token = platform.token("anna", model::TokenScope::Full).await;
    let change = |old: &str, new: &str| json!({ "old": old, "new": new });
    let path = "/v1/users/me/password";
    platform.post(&token, path, change("wrong password", "a new password")).await.problem("sign_in_failed");
    platform.post(&token, path, change(PASSWORD, "short")).await.problem("invalid");
    platform.post(&token, path, change(PASSWORD, "a new password")).await.expect(204);
    platform.raw(with_cookie(cookie, Method::GET, "/v1/session", None, false)).await.problem("unauthenticated");
    platform.get(&token, "/v1/session").await.expect(200);
    sign_in(&platform, "a new password").await.expect(200);
    platform.patch(&platform.admin, "/v1/users/anna", json!({ "disabled": true })).await.expect(204);
    platform.get(&token, "/v1/session").await.problem("unauthenticated");
    sign_in(&platform, "a new password").await.problem("sign_in_failed");
}

#[tokio::test]
async fn owners_manage_their_tenant_and_nothing_beyond() {
    let platform = Platform::start().await;
    anna(&platform).await;
    platform.tenant("other").await;
    let owner = platform.token("anna", model::TokenScope::Full).await;
    let create = async |name: &str, role: &str, tenant: &str| {
        platform.post(&owner, "/v1/users", json!({ "name": name, "role": role, "tenant": tenant })).await
    };
    create("ben", "member", "lab").await.expect(201);
    create("ben", "member", "lab").await.problem("name_taken");
    create("Ben B", "member", "lab").await.problem("bad_name");
    create("eve", "operator", "lab").await.problem("operator_only");
    create("eve", "member", "other").await.problem("invalid");
    let project = json!({ "name": "melt" });
    platform.post(&owner, "/v1/tenants/lab/projects", project.clone()).await.expect(201);
    platform.post(&owner, "/v1/tenants/other/projects", project).await.problem("not_found");
    platform.patch(&owner, "/v1/tenants/lab", json!({ "shares": 5 })).await.problem("forbidden");
    platform.patch(&owner, "/v1/users/anna", json!({ "disabled": true })).await.problem("wrong_state");
    platform.patch(&owner, "/v1/users/admin", json!({ "password": "another password" })).await.problem("not_found");
    platform.patch(&platform.admin, "/v1/tenants/lab", json!({ "shares": 5, "credit_limit": "7.5" })).await.expect(204);
    let tenant = platform.get(&owner, "/v1/tenants/lab").await.expect(200);
    assert_eq!(tenant["shares"], 5);
    assert_eq!(platform.get(&owner, "/v1/tenants/lab/wallet").await.expect(200)["credit_limit"], "7.50");
    let names = |page: Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(platform.get(&owner, "/v1/users").await.expect(200)), ["ben", "anna"]);
    assert_eq!(names(platform.get(&owner, "/v1/tenants").await.expect(200)), ["lab"]);
    assert_eq!(names(platform.get(&owner, "/v1/tenants/lab/projects").await.expect(200)), ["melt", "default"]);
    // A job may name the new project at once.
    let job = json!({ "script": "#!/bin/sh\n#SBATCH --hold\necho\n", "project": "melt" });
    let job = platform.post(&owner, "/v1/jobs", job).await.expect(201);
    let shown = platform.get(&owner, &format!("/v1/jobs/{}", job["job"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["project_name"], "melt");
    let audit = platform.get(&platform.admin, "/v1/audit").await.expect(200);
    let actions: Vec<&str> = audit["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    for action in ["user.create", "project.create", "tenant.change", "wallet.top_up"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    assert!(!audit.to_string().contains(PASSWORD));
}
