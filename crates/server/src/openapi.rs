//! The API's description (OpenAPI 3.1), generated from the routes and completed here: what it is, how to sign in, and
//! which problems each operation may answer with.

use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use wire::job::LogEnd;
use wire::{ErrorCode, Problem};

/// The version of the API, not of the program.
const API_VERSION: &str = "1.0.0";

/// What the routes' descriptions are added to.
pub(crate) fn base() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("hwt_…")
        .description(Some("A token from `POST /v1/login` or `POST /v1/tokens`."))
        .build();
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        wire::SESSION_COOKIE,
        "A session from `POST /v1/session`; unsafe methods also need the header `X-HW-CSRF: 1`.",
    ));
    let mut schemas = Vec::new();
    <Problem as ToSchema>::schemas(&mut schemas);
    let components = ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(bearer))
        .security_scheme("session", SecurityScheme::ApiKey(cookie))
        .schema("Problem", Problem::schema())
        .schema("LogEnd", LogEnd::schema())
        .schemas_from_iter(schemas)
        .build();
    let info = InfoBuilder::new()
        .title("Headworks")
        .version(API_VERSION)
        .description(Some(
            "Control plane of a compute-power network: jobs, pools, wallets. Money is decimal text with its currency \
             beside it, times are RFC 3339 in UTC, errors are RFC 9457 problem documents.",
        ))
        .contact(Some(ContactBuilder::new().name(Some("Headworks")).url(Some("https://headworks.dev")).build()))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([requirement("token"), requirement("session")]))
        .build()
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, std::iter::empty::<String>())
}

/// Adds to every operation the problems it may answer with.
pub(crate) fn complete(mut api: OpenApi) -> OpenApi {
    for item in api.paths.paths.values_mut() {
        let slots = [
            (false, &mut item.get),
            (true, &mut item.post),
            (true, &mut item.put),
            (true, &mut item.patch),
            (true, &mut item.delete),
        ];
        for (changes, slot) in slots {
            if let Some(operation) = slot {
                add_problems(operation, changes);
            }
        }
    }
    api
}

fn add_problems(operation: &mut Operation, changes: bool) {
    let public = operation
        .security
        .as_ref()
        .is_some_and(|required| required.iter().any(|r| *r == SecurityRequirement::default()));
    let takes = |place: ParameterIn| {
        operation.parameters.iter().flatten().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    let (has_path, has_query) = (takes(ParameterIn::Path), takes(ParameterIn::Query));
    let has_body = operation.request_body.is_some();
    let mut statuses = vec![414, 431, 500, 503];
    if !public {
        statuses.extend([401, 403]);
    }
    if has_path {
        statuses.extend([400, 404]);
    }
    if has_query {
        statuses.extend([400, 404, 422]);
    }
    if has_body {
        statuses.extend([400, 404, 413, 415, 422]);
    }
    if changes {
        statuses.extend([400, 401, 402, 403, 409, 422, 429]);
    }
    statuses.push(429);
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let key = status.to_string();
        operation.responses.responses.entry(key).or_insert_with(|| RefOr::T(problem_response(status)));
    }
}

/// One answer per status, with the codes it may carry.
fn problem_response(status: u16) -> Response {
    let codes: Vec<&str> = ErrorCode::ALL.iter().filter(|c| c.status() == status).map(|c| c.as_str()).collect();
    ResponseBuilder::new()
        .description(format!("Codes: {}", codes.join(", ")))
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build(),
        )
        .build()
}

/// The document as checked in: pretty JSON and a line break.
pub fn document() -> String {
    let mut text = crate::routes::api().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
