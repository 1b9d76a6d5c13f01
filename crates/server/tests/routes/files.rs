//! The file space over HTTP: uploads that resume, checksums, quotas, ranges, confinement, and tenants apart.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, Platform, request};

/// SHA-256 of `hello world`.
const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

fn escaped(path: &str) -> String {
    path.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

async fn begin(platform: &Platform, token: &str, path: &str, size: u64, sha256: &str) -> Answer {
    platform.post(token, "/v1/files/uploads", json!({ "path": path, "size": size, "sha256": sha256 })).await
}

async fn piece(platform: &Platform, token: &str, upload: &str, offset: u64, bytes: &str) -> Answer {
    let path = format!("/v1/files/uploads/{upload}?offset={offset}");
    let request = Request::put(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    platform.raw(request.body(Body::from(bytes.to_owned())).unwrap()).await
}

/// Puts `hello world` at a path.
async fn hello(platform: &Platform, token: &str, path: &str) -> Value {
    let begun = begin(platform, token, path, 11, HELLO).await;
    match begun.status.as_u16() {
        200 => begun.json(),
        _ => piece(platform, token, begun.expect(201)["upload"].as_str().unwrap(), 0, "hello world").await.expect(200),
    }
}

async fn ranged(platform: &Platform, token: &str, path: &str, range: &str) -> Answer {
    let mut request = request(token, Method::GET, path, None);
    request.headers_mut().insert(header::RANGE, range.parse().unwrap());
    platform.raw(request).await
}

async fn platform() -> (Platform, String) {
    let platform = Platform::with(&[("files.quota", "1k")]).await;
    platform.tenant("lab").await;
    let anna = platform.user("anna", "member", "lab").await;
    (platform, anna)
}

#[tokio::test]
async fn pieces_arrive_in_order_and_the_last_one_makes_the_file() {
    let (platform, anna) = platform().await;
    let begun = begin(&platform, &anna, "a/hello.txt", 11, HELLO).await.expect(201);
    let upload = begun["upload"].as_str().unwrap();
    assert_eq!((&begun["offset"], &begun["done"]), (&json!(0), &json!(false)));
    assert_eq!(piece(&platform, &anna, upload, 0, "hello ").await.expect(200)["offset"], 6);
    piece(&platform, &anna, upload, 0, "hello ").await.problem("wrong_offset");
    piece(&platform, &anna, upload, 9, "ld").await.problem("wrong_offset");
    piece(&platform, &anna, upload, 6, "world and more").await.problem("invalid");
    // Begun again, as after a cut: the same upload goes on where it was.
    let again = begin(&platform, &anna, "a/hello.txt", 11, HELLO).await.expect(201);
    assert_eq!((again["upload"].as_str().unwrap(), &again["offset"]), (upload, &json!(6)));
    let path = format!("/v1/files/uploads/{upload}");
    assert_eq!(platform.get(&anna, &path).await.expect(200)["offset"], 6);
    platform.get(&anna, "/v1/files/content?path=a%2Fhello.txt").await.problem("file_not_found");
    let done = piece(&platform, &anna, upload, 6, "world").await.expect(200);
    assert_eq!((&done["done"], &done["upload"]), (&json!(true), &Value::Null));
    platform.get(&anna, &path).await.problem("not_found");
    let content = platform.get(&anna, "/v1/files/content?path=a%2Fhello.txt").await;
    assert_eq!(
        (content.text().as_str(), content.headers[header::ETAG].to_str().unwrap()),
        ("hello world", &*format!("\"{HELLO}\""))
    );
    // The content is known now, so it need not be sent again.
    assert_eq!(begin(&platform, &anna, "b", 11, HELLO).await.expect(200)["done"], true);
}

#[tokio::test]
async fn what_was_not_announced_is_not_kept() {
    let (platform, anna) = platform().await;
    let begun = begin(&platform, &anna, "x", 11, HELLO).await.expect(201);
    let upload = begun["upload"].as_str().unwrap();
    let problem = piece(&platform, &anna, upload, 0, "hello wurld").await.problem("checksum_mismatch");
    assert!(problem["detail"].as_str().unwrap().contains(HELLO), "{problem}");
    platform.get(&anna, &format!("/v1/files/uploads/{upload}")).await.problem("not_found");
    platform.get(&anna, "/v1/files/content?path=x").await.problem("file_not_found");
    // Sent again and right, it is there.
    hello(&platform, &anna, "x").await;
    assert_eq!(platform.get(&anna, "/v1/files/content?path=x").await.text(), "hello world");
    begin(&platform, &anna, "y", 11, "zz").await.problem("invalid");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(begin(&platform, &anna, "empty", 0, empty).await.expect(200)["done"], true);
    begin(&platform, &anna, "empty2", 0, HELLO).await.problem("checksum_mismatch");
    assert_eq!(platform.get(&anna, "/v1/files/content?path=empty").await.text(), "");
}

#[tokio::test]
async fn ranges_are_served() {
    let (platform, anna) = platform().await;
    hello(&platform, &anna, "h").await;
    let path = "/v1/files/content?path=h";
    for (range, text, shown) in [
        ("bytes=0-4", "hello", "bytes 0-4/11"),
        ("bytes=6-", "world", "bytes 6-10/11"),
        ("bytes=-5", "world", "bytes 6-10/11"),
    ] {
        let answer = ranged(&platform, &anna, path, range).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (206, text), "{range}");
        assert_eq!(answer.headers[header::CONTENT_RANGE], shown);
        assert_eq!(answer.headers[header::CONTENT_LENGTH], "5");
    }
    ranged(&platform, &anna, path, "bytes=11-").await.problem("range_not_satisfiable");
    let mut request = request(&anna, Method::GET, path, None);
    request.headers_mut().insert(header::RANGE, "bytes=6-".parse().unwrap());
    request.headers_mut().insert(header::IF_RANGE, "\"another\"".parse().unwrap());
    let whole = platform.raw(request).await;
    assert_eq!((whole.status.as_u16(), whole.text().as_str()), (200, "hello world"));
}

#[tokio::test]
async fn the_quota_says_how_much_is_missing() {
    let (platform, anna) = platform().await;
    hello(&platform, &anna, "a").await;
    let other = "0".repeat(64);
    let problem = begin(&platform, &anna, "b", 1_019, &other).await.problem("over_quota");
    assert!(problem["detail"].as_str().unwrap().contains("6 bytes are missing"), "{problem}");
    // What is on its way counts; what is replaced does not.
    begin(&platform, &anna, "b", 1_000, &other).await.expect(201);
    begin(&platform, &anna, "c", 20, &other).await.problem("over_quota");
    begin(&platform, &anna, "a", 20, &other).await.expect(201);
    // Each copy counts, though its content is stored once: 93 of 11 bytes fit.
    for n in 1..93 {
        hello(&platform, &anna, &format!("copy{n}")).await;
    }
    begin(&platform, &anna, "one-more", 11, HELLO).await.problem("over_quota");
    let path = "/v1/files?path=copy1";
    assert_eq!(platform.call(&anna, Method::DELETE, path, None).await.expect(200)["files"], 1);
    begin(&platform, &anna, "one-more", 11, HELLO).await.expect(200);
}

#[tokio::test]
async fn paths_stay_within_the_space() {
    let (platform, anna) = platform().await;
    for bad in
        ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\nb", "a\u{7f}", &"x".repeat(256), &"x/".repeat(600)]
    {
        begin(&platform, &anna, bad, 1, HELLO).await.problem("invalid");
        let path = format!("/v1/files/content?path={}", escaped(bad));
        let answer = platform.get(&anna, &path).await;
        assert!(matches!(answer.status.as_u16(), 422 | 400), "{bad}: {}", answer.text());
    }
    for odd in ["it's \"quoted\"", "$(touch x);`id`", "日本/🎉", "-rf", "%41 + #?", "...", ".hidden"] {
        hello(&platform, &anna, odd).await;
        let path = format!("/v1/files/content?path={}", escaped(odd));
        assert_eq!(platform.get(&anna, &path).await.text(), "hello world", "{odd}");
        platform.call(&anna, Method::DELETE, &format!("/v1/files?path={}", escaped(odd)), None).await.expect(200);
    }
    hello(&platform, &anna, "file").await;
    hello(&platform, &anna, "folder/in").await;
    begin(&platform, &anna, "file/below", 11, HELLO).await.problem("invalid");
    begin(&platform, &anna, "folder", 11, HELLO).await.problem("invalid");
}

#[tokio::test]
async fn folders_are_listed_in_pages() {
    let (platform, anna) = platform().await;
    for path in ["a-b", "a/1", "a/2/x", "a/2/y", "a/3", "a0", "b"] {
        hello(&platform, &anna, path).await;
    }
    let list = async |query: &str| {
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let next = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
            let page = platform.get(&anna, &format!("/v1/files?limit=2{query}{next}")).await.expect(200);
            let name = |one: &Value| {
                format!("{}{}", one["path"].as_str().unwrap(), if one["kind"] == "folder" { "/" } else { "" })
            };
            names.extend(page["items"].as_array().unwrap().iter().map(name));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return names.join(" "),
            }
        }
    };
    assert_eq!(list("").await, "a-b a/ a0 b");
    assert_eq!(list("&path=a").await, "a/1 a/2/ a/3");
    assert_eq!(list("&path=a/2/").await, "a/2/x a/2/y");
    assert_eq!(list("&path=a/1").await, "a/1");
    assert_eq!(list("&recursive=true").await, "a-b a/1 a/2/x a/2/y a/3 a0 b");
    platform.get(&anna, "/v1/files?path=c").await.problem("file_not_found");
    platform.get(&anna, "/v1/files?path=a&cursor=00").await.problem("bad_cursor");
    platform.call(&anna, Method::DELETE, "/v1/files?path=a", None).await.problem("file_not_found");
    let all = platform.call(&anna, Method::DELETE, "/v1/files?path=a&recursive=true", None).await.expect(200);
    assert_eq!(all["files"], 4);
    assert_eq!(list("").await, "a-b a0 b");
}

#[tokio::test]
async fn tenants_do_not_meet() {
    let (platform, anna) = platform().await;
    platform.tenant("other").await;
    let otto = platform.user("otto", "member", "other").await;
    let begun = begin(&platform, &anna, "secret", 11, HELLO).await.expect(201);
    let upload = begun["upload"].as_str().unwrap();
    piece(&platform, &otto, upload, 0, "hello world").await.problem("not_found");
    piece(&platform, &anna, upload, 0, "hello world").await.expect(200);
    platform.get(&otto, "/v1/files/content?path=secret").await.problem("file_not_found");
    // Naming the digest of somebody else's file is no way to get it: it has to be sent.
    let begun = begin(&platform, &otto, "mine", 11, HELLO).await.expect(201);
    assert_eq!(begun["offset"], 0);
    platform.get(&otto, "/v1/files/content?path=mine").await.problem("file_not_found");
    assert_eq!(platform.get(&otto, "/v1/files").await.expect(200)["items"], json!([]));
    let owner = platform.user("olga", "owner", "other").await;
    platform.get(&owner, "/v1/files/content?path=secret").await.problem("file_not_found");
}

#[tokio::test]
async fn a_job_without_a_folder_has_no_files() {
    let (platform, anna) = platform().await;
    let held = platform.submit(&anna, "#!/bin/sh\n#SBATCH --hold\necho\n").await;
    platform.get(&anna, &format!("/v1/jobs/{held}/files")).await.problem("file_not_found");
    let inputs = json!({ "script": "#!/bin/sh\necho\n", "inputs": [{ "path": "nothing" }] });
    let problem = platform.post(&anna, "/v1/jobs", inputs).await.problem("invalid");
    assert!(problem["detail"].as_str().unwrap().contains("`nothing`"), "{problem}");
    hello(&platform, &anna, "in").await;
    for inputs in [
        json!([{ "path": "in" }, { "path": "in" }]),
        json!([{ "path": "in", "name": "a" }, { "path": "in", "name": "a/b" }]),
        json!([{ "path": "in", "name": "../a" }]),
        json!([{ "path": "/in" }]),
    ] {
        let body = json!({ "script": "#!/bin/sh\necho\n", "inputs": inputs });
        platform.post(&anna, "/v1/jobs", body).await.problem("invalid");
    }
    // A cluster that takes no files refuses in words, and the job is held for it.
    let body = json!({ "script": "#!/bin/sh\necho\n", "inputs": [{ "path": "in" }] });
    let job = platform.post(&anna, "/v1/jobs", body).await.expect(201)["job"].as_str().unwrap().to_owned();
    let held = platform.until(&anna, &job, &["HELD"]).await;
    assert_eq!(held["state"], "HELD");
    let events = platform.get(&anna, &format!("/v1/jobs/{job}/events")).await.text();
    assert!(events.contains("input files cannot be put on this cluster"), "{events}");
}

/// A piece for a job's work folder.
async fn put(platform: &Platform, token: &str, job: &str, query: &str, bytes: &str) -> Answer {
    let path = format!("/v1/jobs/{job}/files/content?{query}");
    let request = Request::put(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    platform.raw(request.body(Body::from(bytes.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_file_for_a_job_without_a_folder_is_refused_in_words() {
    let (platform, anna) = platform().await;
    platform.tenant("other").await;
    let (ben, otto) = (platform.user("ben", "member", "lab").await, platform.user("otto", "member", "other").await);
    let held = platform.submit(&anna, "#!/bin/sh\n#SBATCH --hold\necho\n").await;
    let problem = put(&platform, &anna, &held, "path=a", "x").await.problem("wrong_state");
    assert!(problem["detail"].as_str().unwrap().contains("has not been placed yet"), "{problem}");
    put(&platform, &ben, &held, "path=a", "x").await.problem("forbidden");
    put(&platform, &otto, &held, "path=a", "x").await.problem("job_not_found");
    for (query, told) in [
        ("path=a&size=1073741825&sha256=00", "64"),
        (&*format!("path=a&size=1073741825&sha256={HELLO}"), "at most 1 GiB"),
        ("path=a&size=11", "several pieces"),
        ("path=..%2Fa", "not accepted"),
        ("path=a&mode=512", "permission bits"),
    ] {
        // What is wrong with the request is said before anything of the job.
        let problem = put(&platform, &anna, &held, query, "x").await.problem("invalid");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{query}: {problem}");
    }
    // A cluster whose files cannot be reached.
    let job = platform.submit(&anna, "#!/bin/sh\necho\n").await;
    platform.until(&anna, &job, &["RUNNING", "PENDING"]).await;
    put(&platform, &anna, &job, "path=a", "x").await.problem("wrong_state");
}
