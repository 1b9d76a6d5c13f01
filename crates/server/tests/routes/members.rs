//! Roles in projects, as a table: who may submit to a project, manage its jobs and name its members, before and after it has any.

use axum::http::Method;
use serde_json::json;

use crate::support::{Answer, Platform};

const HELD: &str = "#!/bin/sh\n#SBATCH --hold --account=deep\necho\n";
const MEMBERS: &str = "/v1/tenants/lab/projects/deep/members";

/// Everybody who is asked, with the role in the project `deep` that each is given.
const PEOPLE: &[(&str, &str, Option<&str>)] = &[
    ("lead", "member", Some("owner")),
    ("mate", "member", Some("member")),
    ("gast", "member", Some("viewer")),
    ("rest", "member", None),
    ("boss", "owner", None),
];

fn word(answer: &Answer) -> String {
    match answer.status.as_u16() {
        200..300 => "yes".into(),
        status => format!("{status} {}", answer.json()["code"].as_str().unwrap_or_default()),
    }
}

async fn submit(platform: &Platform, token: &str) -> Answer {
    platform.post(token, "/v1/jobs", json!({ "script": HELD })).await
}

/// What each person may do: submit, cancel a job of `mate`, see it, give somebody a role, list members.
async fn table(platform: &Platform, tokens: &[String]) -> Vec<String> {
    let mate = &tokens[1];
    let mut rows = Vec::new();
    for ((name, ..), token) in PEOPLE.iter().zip(tokens) {
        let own = submit(platform, token).await;
        let job = submit(platform, mate).await.expect(201)["job"].as_str().unwrap().to_owned();
        let quote = platform.post(token, "/v1/jobs/quote", json!({ "script": HELD })).await;
        let see = platform.get(token, &format!("/v1/jobs/{job}")).await;
        let cancel = platform.post(token, &format!("/v1/jobs/{job}/cancel"), json!({})).await;
        let list = platform.get(token, MEMBERS).await;
        let words: Vec<String> = [own, quote, see, cancel, list].iter().map(word).collect();
        rows.push(format!(
            "{name}: submit {}, quote {}, see {}, cancel {}, list {}",
            words[0], words[1], words[2], words[3], words[4]
        ));
    }
    rows
}

#[tokio::test]
async fn roles_in_projects_as_a_table() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    platform.tenant("other").await;
    let mut tokens = Vec::new();
    for (name, role, _) in PEOPLE {
        tokens.push(platform.user(name, role, "lab").await);
    }
    let stranger = platform.user("else", "owner", "other").await;
    platform.post(&tokens[4], "/v1/tenants/lab/projects", json!({ "name": "deep" })).await.expect(201);

    let open = "submit yes, quote yes, see yes, cancel 403 forbidden, list yes";
    let before = table(&platform, &tokens).await;
    let all = "submit yes, quote yes, see yes, cancel yes, list yes";
    let expected = [("lead", open), ("mate", all), ("gast", open), ("rest", open), ("boss", all)];
    assert_eq!(before, expected.map(|(name, may)| format!("{name}: {may}")), "a project without members is open");

    let member = |name: &str| format!("{MEMBERS}/{name}");
    let set = json!({ "role": "owner" });
    for token in [&tokens[0], &tokens[3]] {
        platform.put(token, &member("lead"), set.clone()).await.problem("forbidden");
    }
    platform.put(&stranger, &member("lead"), set.clone()).await.problem("not_found");
    platform.put(&tokens[4], &member("else"), set.clone()).await.problem("not_found");
    platform.put(&tokens[4], &member("nobody"), set.clone()).await.problem("not_found");
    platform.put(&tokens[4], &member("lead"), json!({ "role": "king" })).await.problem("invalid");
    platform.put(&tokens[4], &member("lead"), set).await.expect(204);
    for (name, _, role) in &PEOPLE[1..3] {
        platform.put(&tokens[0], &member(name), json!({ "role": role })).await.expect(204);
    }
    let shown = platform.get(&tokens[3], MEMBERS).await.expect(200);
    let shown: Vec<String> =
        shown["items"].as_array().unwrap().iter().map(|m| format!("{} {}", m["name"], m["role"])).collect();
    assert_eq!(shown, ["\"gast\" \"viewer\"", "\"lead\" \"owner\"", "\"mate\" \"member\""]);

    let shut = "submit 403 forbidden, quote 403 forbidden, see yes, cancel 403 forbidden, list yes";
    let expected = [("lead", all), ("mate", all), ("gast", shut), ("rest", shut), ("boss", all)];
    assert_eq!(table(&platform, &tokens).await, expected.map(|(name, may)| format!("{name}: {may}")));
    let refused = submit(&platform, &tokens[2]).await.problem("forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("`deep`"), "{refused}");
    // Other projects are as they were.
    platform.submit(&tokens[2], "#!/bin/sh\n#SBATCH --hold\necho\n").await;

    // Its owner names people with the whole scope only; a member names nobody, and removes nobody.
    let narrow = platform.token("lead", model::TokenScope::Jobs).await;
    platform.put(&narrow, &member("rest"), json!({ "role": "member" })).await.problem("scope_too_narrow");
    platform.call(&tokens[1], Method::DELETE, &member("gast"), None).await.problem("forbidden");
    for name in ["gast", "mate", "lead"] {
        platform.delete(&tokens[4], &member(name)).await.expect(204);
    }
    platform.delete(&tokens[4], &member("lead")).await.expect(204);
    submit(&platform, &tokens[3]).await.expect(201);
    let audit = platform.get(&platform.admin, "/v1/audit?limit=100").await.expect(200).to_string();
    assert!(audit.contains("project.member") && audit.contains("deep: gast viewer"), "{audit}");
    let projects = platform.get(&tokens[0], "/v1/tenants/lab/projects").await.expect(200);
    assert_eq!((&projects["items"][0]["members"], &projects["items"][0]["role"]), (&json!(0), &json!(null)));
}
