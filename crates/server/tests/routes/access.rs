//! Who may do what: every route of the description against every role and scope, as a checked-in table. A route that is
//! new appears in the table, and the test fails until somebody has looked at its row.

use axum::http::{Method, Request, header};
use model::TokenScope;
use serde_json::Value;

use crate::support::Platform;

/// One column: how it is called, and the token.
struct Column {
    name: &'static str,
    user: &'static str,
    scope: TokenScope,
}

/// `anna` submitted the job; `ben` is a colleague, `otto` of another tenant.
const COLUMNS: &[Column] = &[
    Column { name: "nobody", user: "", scope: TokenScope::Full },
    Column { name: "member", user: "anna", scope: TokenScope::Full },
    Column { name: "m:jobs", user: "anna", scope: TokenScope::Jobs },
    Column { name: "m:read", user: "anna", scope: TokenScope::Read },
    Column { name: "colleague", user: "ben", scope: TokenScope::Full },
    Column { name: "stranger", user: "otto", scope: TokenScope::Full },
    Column { name: "owner", user: "olga", scope: TokenScope::Full },
    Column { name: "o:jobs", user: "olga", scope: TokenScope::Jobs },
    Column { name: "o:read", user: "olga", scope: TokenScope::Read },
    Column { name: "auditor", user: "aldo", scope: TokenScope::Full },
    Column { name: "operator", user: "admin", scope: TokenScope::Full },
    Column { name: "op:jobs", user: "admin", scope: TokenScope::Jobs },
    Column { name: "op:read", user: "admin", scope: TokenScope::Read },
];

#[tokio::test]
async fn the_table_of_routes_and_roles() {
    let platform = Platform::start().await;
    for tenant in ["lab", "other"] {
        platform.tenant(tenant).await;
    }
    for (name, role, tenant) in [
        ("anna", "member", "lab"),
        ("ben", "member", "lab"),
        ("olga", "owner", "lab"),
        ("otto", "member", "other"),
        ("aldo", "auditor", "other"),
    ] {
        platform.user(name, role, tenant).await;
    }
    let anna = platform.token("anna", TokenScope::Full).await;
    let api: Value = serde_json::from_str(&server::openapi::document()).unwrap();
    let mut table = format!("{:<48}", "");
    table.extend(COLUMNS.iter().map(|column| format!("{:>10}", column.name)));
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "put", "delete"].iter().filter(|m| item[**m].is_object()) {
            let method: Method = method.to_uppercase().parse().unwrap();
            let mut row = format!("\n{:<48}", format!("{method} {path}"));
            // Fresh for each route: some end it.
            let job = platform.submit(&anna, "#!/bin/sh\n#SBATCH --hold\necho\n").await;
            for column in COLUMNS {
                row.push_str(&format!("{:>10}", outcome(&platform, column, &method, path, &job).await));
            }
            table.push_str(&row);
        }
    }
    insta::assert_snapshot!("routes_and_roles", table);
}

/// The status when access was refused, `ok` when the request got past that: it may then well be refused for its empty
/// body or for the job's state.
async fn outcome(platform: &Platform, column: &Column, method: &Method, path: &str, job: &str) -> String {
    let mut request = Request::builder().method(method.clone());
    let mut token_id = String::from("tok_none");
    if !column.user.is_empty() {
        // Fresh each time: some routes end the token they are called with.
        let token = platform.token(column.user, column.scope).await;
        let own = platform.get(&token, "/v1/tokens?limit=1").await.expect(200);
        token_id = own["items"][0]["id"].as_str().unwrap().to_owned();
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let target = path
        .replace("{job}", job)
        .replace("{tenant}", "lab")
        .replace("{user}", "anna")
        .replace("{token}", &token_id)
        .replace("{upload}", "upl_none")
        .replace("{pool}", "main")
        .replace("{node}", "main")
        .replace("{site}", "harbour")
        .replace("{cluster}", "local")
        .replace("{settlement}", "1")
        .replace("{statement}", "1")
        .replace("{export}", "transfers")
        .replace("{contract}", "1")
        .replace("{grant}", "1")
        .replace("{budget}", "1")
        .replace("{supplier}", "harbour")
        .replace("{project}", "default")
        .replace("{webhook}", "whk_none")
        .replace("{report}", "rep_none")
        .replace("{run}", "twn_none");
    assert!(!target.contains('{'), "{path}: a segment that this test does not know");
    let request = request.uri(target).header(header::CONTENT_TYPE, "application/json");
    let (status, code) = platform.outcome(request.body("{}".into()).unwrap()).await;
    match (status, code.as_str()) {
        // Seen, but without output yet.
        (404, "log_not_found" | "file_not_found") => "ok".to_owned(),
        (401 | 403 | 404, _) => status.to_string(),
        (..500, _) => "ok".to_owned(),
        _ => panic!("{method} {path} as {}: {status} {code}", column.name),
    }
}
