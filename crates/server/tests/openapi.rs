//! The checked-in description of the API is the one the routes generate, and it is whole.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn checked_in() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

/// Run with `UPDATE_OPENAPI=1` to write the document anew.
#[test]
fn the_checked_in_document_is_the_generated_one() {
    let generated = server::openapi::document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(checked_in(), &generated).unwrap();
    }
    let stored = std::fs::read_to_string(checked_in()).unwrap_or_default();
    let first = stored.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        stored == generated,
        "docs/openapi.json differs from the routes (first at line {first:?}): run the test with UPDATE_OPENAPI=1"
    );
}

fn operations(api: &Value) -> Vec<(String, &Value)> {
    let paths = api["paths"].as_object().unwrap();
    let methods = ["get", "post", "put", "patch", "delete"];
    paths
        .iter()
        .flat_map(|(path, item)| methods.map(|m| (format!("{} {path}", m.to_uppercase()), &item[m])))
        .filter(|(_, operation)| operation.is_object())
        .collect()
}

#[test]
fn every_operation_says_what_it_is_and_how_it_fails() {
    let api: Value = serde_json::from_str(&server::openapi::document()).unwrap();
    assert_eq!(api["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&api) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{name}: operationId missing or taken");
        assert!(operation["summary"].is_string() || operation["description"].is_string(), "{name}: no words");
        let responses = operation["responses"].as_object().unwrap();
        // Browsers are sent on by some.
        let is_success = |status: &str| status.starts_with('2') || status == "303";
        assert!(responses.keys().any(|status| is_success(status)), "{name}: no success");
        let problems = responses.iter().filter(|(status, _)| !is_success(status));
        for (status, response) in problems {
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
        }
        let public = operation["security"].as_array().is_some_and(|s| s.contains(&serde_json::json!({})));
        assert_eq!(
            responses.contains_key("403") && responses.contains_key("401"),
            !public || name.starts_with("POST"),
            "{name}"
        );
        for status in ["500", "503"] {
            assert!(responses.contains_key(status), "{name}: {status} is not described");
        }
        if operation["requestBody"].is_object() {
            for status in ["400", "413", "415", "422"] {
                assert!(responses.contains_key(status), "{name}: {status} is not described");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|v| walk(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
            _ => {}
        }
    }
    let api: Value = serde_json::from_str(&server::openapi::document()).unwrap();
    let mut references = BTreeSet::new();
    walk(&api, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(api.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Names that a stand-by or a shell fragment could not carry would make clients stumble.
#[test]
fn paths_are_plural_and_bounded() {
    let api: Value = serde_json::from_str(&server::openapi::document()).unwrap();
    for (name, _) in operations(&api) {
        let path = name.split(' ').nth(1).unwrap();
        assert!(path.starts_with("/v1/"), "{name}");
        assert!(path.split('/').all(|segment| segment.len() <= server::limits::PATH_SEGMENT_BYTES_MAX), "{name}");
    }
}
