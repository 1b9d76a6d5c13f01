//! Registering clusters: operators say how one is reached, look at it, try it, and put it into service.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{ClusterId, ReportId, SupplierId, digest128};
use connect_slurm::SlurmConfig;
use engine::{Command, Report};
use model::people::valid_name;
use model::{Actor, BackendKind, Cluster, ClusterLink, LinkKind, ReportKind, Service, Supplier, SupplyMode};
use wire::cluster::{ClusterCreate, ClusterCreated, ClusterDetail, ClusterReport, ServiceChange, ServiceChanged};
use wire::page::PageQuery;
use wire::place::PlaceChange;
use wire::{ErrorCode, Page};

use super::supply::tell;
use super::{page, plain_text, unexpected};
use crate::access::{Body, Meta, OperatorAccess, Params, Segments};
use crate::convert;
use crate::limits::{CLUSTER_CONFIG_BYTES_MAX, LABEL_CHARS_MAX};
use crate::links::{Busy, SlurmLink, Who};
use crate::problem::Failure;

/// Register a cluster, or another way to a registered one. A new one is tested before it serves.
#[utoipa::path(
    post, path = "/v1/clusters", tag = "supply", operation_id = "register_cluster", request_body = ClusterCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 201, description = "Registered", body = ClusterCreated))
)]
pub(super) async fn register(
    access: OperatorAccess,
    meta: Meta,
    body: Body<ClusterCreate>,
) -> Result<Response, Failure> {
    let ClusterCreate { name, supplier, mode, site, region, place, cost, fee, slurm } = body.value;
    if !valid_name(&name) {
        return Err(bad_name("name", &name));
    }
    let slurm = checked(slurm)?;
    let site = site.unwrap_or_default();
    plain_text("site", &site, LABEL_CHARS_MAX)?;
    let region = region.unwrap_or_default();
    plain_text("region", &region, LABEL_CHARS_MAX)?;
    let place = place.map(placed).transpose()?;
    let (supplier, mode) = supplier_of(&access, &supplier, mode).await?;
    let cost = super::costs::terms(cost, fee, mode)?;
    // A name is a cluster: a repeat means the same one, and so does its return after it was retired.
    let cluster = ClusterId::from_u128(digest128(&[b"cluster", name.as_bytes()]));
    let config = serde_json::to_string(&SlurmLink { slurm, cost }).map_err(|e| Failure::internal(e.to_string()))?;
    let command = Command::ConnectCluster {
        cluster: Cluster {
            id: cluster,
            name: name.into(),
            backend: BackendKind::Slurm,
            supplier,
            site: site.into(),
            health: model::ClusterHealth::Unreachable,
            service: Service::Testing,
            tried_at: None,
            region: region.into(),
            place,
            machine: Default::default(),
            terms: Default::default(),
        },
        link: ClusterLink { cluster, kind: LinkKind::Slurm, config: config.into() },
    };
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Cluster { cluster } => {
            access.app().links.changed();
            let service = convert::service(stored(&access, &cluster.to_string()).await?.service);
            Ok((StatusCode::CREATED, Json(ClusterCreated { cluster, service })).into_response())
        }
        other => Err(unexpected(&other)),
    }
}

fn bad_name(field: &str, name: &str) -> Failure {
    Failure::new(ErrorCode::BadName, format!("{field}: use 1 to 40 of a-z, 0-9, `-`, `_`, `.`: {name:.60}"))
}

/// The connector's own reading of the configuration, so that a wrong word is named here and not later.
fn checked(slurm: serde_json::Value) -> Result<SlurmConfig, Failure> {
    if slurm.to_string().len() > CLUSTER_CONFIG_BYTES_MAX {
        return Err(Failure::invalid("slurm", format!("at most {CLUSTER_CONFIG_BYTES_MAX} bytes")));
    }
    let config: SlurmConfig =
        serde_json::from_value(slurm).map_err(|error| Failure::invalid("slurm", error.to_string()))?;
    config.check().map_err(|error| Failure::invalid(&format!("slurm.{}", error.field), error.words))?;
    for name in config.chips.values() {
        name.parse::<model::Chip>().map_err(|error| Failure::invalid("slurm.chips", error.to_string()))?;
    }
    Ok(config)
}

/// The supplier of that name, made known when it is new.
async fn supplier_of(
    access: &OperatorAccess,
    name: &str,
    mode: Option<wire::SupplyMode>,
) -> Result<(SupplierId, SupplyMode), Failure> {
    if !valid_name(name) {
        return Err(bad_name("supplier", name));
    }
    let mode = mode.map(convert::supply_mode_from);
    let known = access.names().supply().await?;
    if let Some(known) = known.suppliers.values().find(|s| &*s.name == name) {
        return match mode {
            Some(mode) if mode != known.mode => {
                let is = if known.mode == SupplyMode::Own { "own" } else { "partner" };
                Err(Failure::invalid("mode", format!("the supplier `{name}` is known as {is}")))
            }
            _ => Ok((known.id, known.mode)),
        };
    }
    let Some(mode) = mode else {
        return Err(Failure::invalid("mode", format!("`{name}` is new: say own or partner")));
    };
    let id = SupplierId::from_u128(digest128(&[b"supplier", name.as_bytes()]));
    access.command(Command::RegisterSupplier(Supplier { id, name: name.into(), mode }), None).await?;
    Ok((id, mode))
}

/// A cluster as stored, by name or id.
async fn stored(access: &OperatorAccess, text: &str) -> Result<Cluster, Failure> {
    let clusters = access.app().store.clusters().await?;
    let id: Option<ClusterId> = text.parse().ok();
    let found = clusters.into_iter().find(|c| id == Some(c.id) || *c.name == *text);
    found.ok_or_else(|| Failure::not_found("cluster"))
}

/// One cluster, with the way to it and how that goes.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}", tag = "supply", operation_id = "cluster",
    params(("cluster" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The cluster", body = ClusterDetail))
)]
pub(super) async fn get(access: OperatorAccess, segments: Segments) -> Result<Json<ClusterDetail>, Failure> {
    let cluster = stored(&access, segments.get("cluster")).await?;
    let app = access.app();
    let link = match app.store.cluster_link(cluster.id).await? {
        Some(link) if link.kind == LinkKind::Slurm => {
            let read = SlurmLink::read(&link).map_err(|error| Failure::internal(format!("a link: {error}")))?;
            Some(convert::cluster::way(&read, app.links.state(cluster.id)))
        }
        _ => None,
    };
    let supply = access.names().supply().await?;
    let tried_at = cluster.tried_at.map(Into::into);
    let machine = (!cluster.machine.is_empty()).then(|| cluster.machine.to_string());
    let cluster = tell(app, convert::supply::cluster(&cluster, &supply)).await;
    Ok(Json(ClusterDetail { cluster, link, tried_at, machine }))
}

/// Say where a cluster stands on the map, or that nobody says it any more.
#[utoipa::path(
    put, path = "/v1/clusters/{cluster}/place", tag = "supply", operation_id = "place_cluster", request_body = PlaceChange,
    params(("cluster" = String, Path, description = "Name or id")),
    responses((status = 200, description = "As it is now", body = PlaceChange))
)]
pub(super) async fn place(
    access: OperatorAccess,
    segments: Segments,
    body: Body<PlaceChange>,
) -> Result<Json<PlaceChange>, Failure> {
    let cluster = stored(&access, segments.get("cluster")).await?.id;
    let place = body.value.place.clone().map(placed).transpose()?;
    access.command(Command::PlaceCluster { cluster, place }, None).await?;
    Ok(Json(body.value))
}

/// A place as it is kept.
fn placed(place: wire::place::Place) -> Result<model::Place, Failure> {
    let label = place.label.unwrap_or_default();
    plain_text("label", &label, LABEL_CHARS_MAX)?;
    let place = model::Place { latitude: place.latitude.0, longitude: place.longitude.0, label: label.into() };
    if place.is_on_earth() {
        Ok(place)
    } else {
        Err(Failure::invalid("latitude", "-90 to 90, and a longitude -180 to 180"))
    }
}

/// Look at a cluster: is it reached, what is there, what to do about it. Runs in the background; read its report.
#[utoipa::path(
    post, path = "/v1/clusters/{cluster}/check", tag = "supply", operation_id = "check_cluster",
    params(("cluster" = String, Path, description = "Name or id")),
    responses((status = 202, description = "Begun", body = ClusterReport))
)]
pub(super) async fn check(access: OperatorAccess, segments: Segments) -> Result<Response, Failure> {
    begin(&access, segments.get("cluster"), ReportKind::Check).await
}

/// Try a cluster with real jobs: success, failure, cancel, time limit, array, cards. Takes about two minutes in the
/// background; read its report.
#[utoipa::path(
    post, path = "/v1/clusters/{cluster}/trial", tag = "supply", operation_id = "try_cluster",
    params(("cluster" = String, Path, description = "Name or id")),
    responses((status = 202, description = "Begun", body = ClusterReport))
)]
pub(super) async fn trial(access: OperatorAccess, segments: Segments) -> Result<Response, Failure> {
    begin(&access, segments.get("cluster"), ReportKind::Trial).await
}

async fn begin(access: &OperatorAccess, name: &str, kind: ReportKind) -> Result<Response, Failure> {
    let cluster = stored(access, name).await?;
    let app = access.app();
    let link = app.store.cluster_link(cluster.id).await?;
    let link = link.ok_or_else(|| {
        Failure::new(ErrorCode::WrongState, "this cluster is not registered with a way to it: there is nothing to try")
    })?;
    // The engine's server has the connections; a stand-by has forwarded this call, or is told so here.
    app.engine.ask(|_, _| ()).await?;
    let caller = &access.who;
    let who =
        Who { tenant: caller.tenant_name.clone(), project: caller.project_name.clone(), user: caller.name.clone() };
    match app.links.start(app, cluster, link, kind, Actor::User(access.who.user), who) {
        Ok(begun) => Ok((StatusCode::ACCEPTED, Json(convert::cluster::running(&begun))).into_response()),
        Err(Busy(other)) => {
            let detail = format!("a check or a trial is under way: {other}");
            Err(Failure::new(ErrorCode::WrongState, detail))
        }
    }
}

/// Put a cluster into service, back to testing, or retire it. Without a passed trial it enters service by force only.
#[utoipa::path(
    post, path = "/v1/clusters/{cluster}/service", tag = "supply", operation_id = "set_service",
    request_body = ServiceChange,
    params(
        ("cluster" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "As it is now", body = ServiceChanged))
)]
pub(super) async fn service(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<ServiceChange>,
) -> Result<Json<ServiceChanged>, Failure> {
    let cluster = stored(&access, segments.get("cluster")).await?.id;
    let ServiceChange { service, force } = body.value;
    let command = Command::SetService { cluster, service: convert::service_from(service), force };
    access.command(command, meta.once(access.who.user, &body.raw)).await?;
    access.app().links.changed();
    Ok(Json(ServiceChanged { cluster, service }))
}

/// Checks and trials of a cluster that are kept, newest first.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/reports", tag = "supply", operation_id = "cluster_reports",
    params(("cluster" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of reports", body = Page<ClusterReport>))
)]
pub(super) async fn reports(
    access: OperatorAccess,
    segments: Segments,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<ClusterReport>>, Failure> {
    let cluster = stored(&access, segments.get("cluster")).await?.id;
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.cluster_reports(cluster, request).await?;
    Ok(Json(convert::page(found, |report| convert::cluster::report(&report))))
}

/// One check or trial, also while it is under way.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/reports/{report}", tag = "supply", operation_id = "cluster_report",
    params(("cluster" = String, Path, description = "Name or id"), ("report" = String, Path, description = "Its id")),
    responses((status = 200, description = "The report", body = ClusterReport))
)]
pub(super) async fn report(access: OperatorAccess, segments: Segments) -> Result<Json<ClusterReport>, Failure> {
    let cluster = stored(&access, segments.get("cluster")).await?.id;
    let id: ReportId = segments.get("report").parse().map_err(|_| Failure::not_found("report"))?;
    let app = access.app();
    // Memory first: between the two it is in both.
    let running = app.links.running(id).filter(|r| r.cluster == cluster);
    if let Some(running) = running.as_ref().filter(|r| !r.done) {
        return Ok(Json(convert::cluster::running(running)));
    }
    let kept = app.store.cluster_report(id).await?.filter(|r| r.cluster == cluster);
    let shown = kept.as_ref().map(convert::cluster::report).or_else(|| running.as_ref().map(convert::cluster::running));
    shown.map(Json).ok_or_else(|| Failure::not_found("report"))
}
