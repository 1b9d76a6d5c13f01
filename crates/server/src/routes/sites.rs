//! Sites whose agents dial in: enrol one, list them, take a key back.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{SupplierId, digest128};
use engine::Command;
use model::people::valid_name;
use model::{BackendKind, Cluster, LinkKind, Service, Supplier, SupplyMode};
use wire::page::PageQuery;
use wire::sites::{Site, SiteEnroll, SiteEnrolled, SiteState};
use wire::{Backend, ErrorCode, Page, TimeText};

use super::page_of;
use crate::access::{AuditAccess, Body, OperatorAccess, Params, Segments};
use crate::convert;
use crate::problem::Failure;
use crate::sites::{Enrolment, Listed, Sites, TOKEN_PREFIX, digest_of, token_expires};

/// Make a one-time token with which a site's agent joins.
#[utoipa::path(
    post, path = "/v1/sites", tag = "supply", operation_id = "enroll_site", request_body = SiteEnroll,
    responses((status = 201, description = "The token, shown this once", body = SiteEnrolled))
)]
pub(super) async fn enroll(access: OperatorAccess, body: Body<SiteEnroll>) -> Result<Response, Failure> {
    let SiteEnroll { name, backend, supplier, testing } = body.value;
    let sites = door(&access)?;
    if !valid_name(&name) {
        let text = format!("name: use 1 to 40 of a-z, 0-9, `-`, `_`, `.`: {name:.60}");
        return Err(Failure::new(ErrorCode::BadName, text));
    }
    let backend = match backend.unwrap_or(Backend::Local) {
        Backend::Local => BackendKind::Local,
        Backend::Slurm => BackendKind::Slurm,
        Backend::Kubernetes => return Err(Failure::invalid("backend", "an agent hosts `local` or `slurm`")),
    };
    let cluster = cluster(&access, &name, backend, supplier).await?;
    let is_new = !sites.list().iter().any(|known| known.place.cluster == cluster.id);
    let token = format!("{TOKEN_PREFIX}{:032x}{:032x}", secret()?, secret()?);
    let now = access.app().clock.now();
    let id = cluster.id;
    let digest = digest_of(&token);
    let with = move |known: &Enrolment| known.invite(digest, now);
    sites.change(cluster, with, async |command| access.command(command, None).await.map(drop)).await?;
    if is_new && backend == BackendKind::Local && !testing {
        // The connector is the platform's own: what a trial would show was shown by its tests.
        let serve = Command::SetService { cluster: id, service: Service::InService, force: true };
        access.command(serve, None).await?;
    }
    let (address, pin) = (sites.advertised().to_owned(), sites.pin().to_string());
    let host = if backend == BackendKind::Slurm { " --slurm slurm.toml" } else { "" };
    let command = format!("hw site --state ~/headworks-{name} --join {address} --pin {pin} --token {token}{host}");
    let expires_at = token_expires(now).into();
    let enrolled = SiteEnrolled { name, cluster: id, token, expires_at, address, pin, command };
    Ok((StatusCode::CREATED, Json(enrolled)).into_response())
}

/// Half of a token's 256 bits.
fn secret() -> Result<u128, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal(format!("no random bytes: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}

fn door(access: &OperatorAccess) -> Result<Arc<Sites>, Failure> {
    let off =
        || Failure::new(ErrorCode::WrongState, "this server takes no sites in: set site.listen and start it anew");
    access.app().sites.clone().ok_or_else(off)
}

/// The cluster of a site as it is registered, or as it is to be.
async fn cluster(
    access: &OperatorAccess,
    name: &str,
    backend: BackendKind,
    supplier: Option<String>,
) -> Result<Cluster, Failure> {
    let store = &access.app().store;
    let known = store.clusters().await?.into_iter().find(|c| &*c.name == name);
    if let Some(known) = known {
        let link = store.cluster_link(known.id).await?;
        if link.is_none_or(|link| link.kind != LinkKind::Site) {
            return Err(Failure::new(ErrorCode::NameTaken, format!("the cluster `{name}` is not a site's")));
        }
        if known.backend != backend {
            return Err(Failure::invalid("backend", "a site's backend cannot change: enroll one under another name"));
        }
        return Ok(known);
    }
    let named = supplier.as_deref().unwrap_or("own");
    let found = store.suppliers().await?.into_iter().find(|s| &*s.name == named);
    let supplier = match found {
        Some(supplier) => supplier,
        None => {
            let mode = if supplier.is_some() { SupplyMode::Partner } else { SupplyMode::Own };
            let id = SupplierId::from_u128(digest128(&[b"supplier", named.as_bytes()]));
            let new = Supplier { id, name: named.into(), mode };
            access.command(Command::RegisterSupplier(new.clone()), None).await?;
            new
        }
    };
    Ok(Cluster {
        id: link::cluster_id(name),
        name: name.into(),
        backend,
        supplier: supplier.id,
        site: name.into(),
        health: Default::default(),
        service: Service::Testing,
        tried_at: None,
        region: Default::default(),
        place: None,
        machine: Default::default(),
        terms: Default::default(),
    })
}

/// Sites with the state of their lines, by name.
#[utoipa::path(
    get, path = "/v1/sites", tag = "supply", operation_id = "sites", params(PageQuery),
    responses((status = 200, description = "A page of sites", body = Page<Site>))
)]
pub(super) async fn list(access: AuditAccess, Params(query): Params<PageQuery>) -> Result<Json<Page<Site>>, Failure> {
    let all = access.app().sites.as_ref().map_or_else(Vec::new, |sites| sites.list());
    let all = all.into_iter().map(shown).collect();
    Ok(Json(page_of(all, query.limit, query.cursor.as_deref(), |site| site.cluster.to_string())?))
}

fn shown(site: Listed) -> Site {
    let Listed { place, backend, enrolment, status } = site;
    let state = match (&enrolment.key, &enrolment.token) {
        (Some(_), _) if status.connected_since.is_some() => SiteState::Connected,
        (Some(_), _) => SiteState::Away,
        (None, Some(_)) => SiteState::Invited,
        (None, None) => SiteState::Closed,
    };
    let time = |at: Option<base::Timestamp>| at.map(TimeText::from);
    Site {
        name: place.site,
        cluster: place.cluster,
        backend: convert::backend(backend),
        state,
        joined_at: time(enrolment.key.as_ref().map(|key| key.joined_at)),
        token_expires_at: time(enrolment.token.map(|token| token.expires_at)),
        key: enrolment.key.map(|key| key.fingerprint),
        connected_since: time(status.connected_since),
        last_seen: time(status.last_seen),
        address: status.address.map(|address| address.to_string()),
        software: status.software,
        machine: status.machine,
        protocol: status.protocol,
        events_waiting: status.waiting,
        clock_ahead_ms: status.clock_ahead_ms,
    }
}

/// Take a site's key and its token back. Its line ends at once; what runs there goes on.
#[utoipa::path(
    post, path = "/v1/sites/{site}/revoke", tag = "supply", operation_id = "revoke_site",
    params(("site" = String, Path, description = "Name of the site")),
    responses((status = 200, description = "The site, closed", body = Site))
)]
pub(super) async fn revoke(access: OperatorAccess, segments: Segments) -> Result<Json<Site>, Failure> {
    let name = segments.get("site");
    let listed = |sites: &Sites| sites.list().into_iter().find(|known| known.place.site == name);
    let sites = access.app().sites.clone().ok_or_else(|| Failure::not_found("site"))?;
    let known = listed(&sites).ok_or_else(|| Failure::not_found("site"))?;
    let clusters = access.app().store.clusters().await?;
    let cluster =
        clusters.into_iter().find(|c| c.id == known.place.cluster).ok_or_else(|| Failure::not_found("site"))?;
    sites.change(cluster, Enrolment::revoke, async |command| access.command(command, None).await.map(drop)).await?;
    listed(&sites).map(|site| Json(shown(site))).ok_or_else(|| Failure::not_found("site"))
}
