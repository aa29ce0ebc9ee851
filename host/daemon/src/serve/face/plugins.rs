//! The routes about plugins: what each has and had, and the orders that change it.
//!
//! A component comes as one request: a line of JSON that says what is wanted ([`Order`]), and behind it the bytes.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::peer::Peer;
use super::{Lobby, not_yet, refuse};
use crate::plugin::{Description, Papers, Source};
use crate::serve::Daemon;
use crate::serve::status::WorkerStatus;
use crate::store::StoreError;
use crate::store::generations::{Enabled, Generation, Quarantined};
use crate::supervise::chain;
use crate::supervise::life::{Candidate, LifeError, Trial};

/// The most bytes of a line that says what is wanted: two papers, and a few words.
const ORDER_BYTES_MAX: usize = 1 << 20;

/// What is wanted with a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The file that it is from, as whoever sends it calls it.
    pub file: PathBuf,
    /// The digest that it has there.
    pub sha256: String,
    /// What lies beside it.
    pub papers: Papers,
    /// What it has to show.
    pub trial: Trial,
}

/// A plugin, as the daemon has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginStatus {
    /// What its component says of itself.
    pub description: Description,
    /// Who put the component there.
    pub put_by: String,
    /// What it does.
    pub worker: WorkerStatus,
    /// Its generations, the newest first.
    pub history: Vec<Generation>,
    /// Components of it that are set aside.
    pub quarantined: Vec<Quarantined>,
}

/// The routes; components have at most so many bytes.
pub(super) fn routes(component_bytes_max: u64) -> Router<Arc<Lobby>> {
    let most = usize::try_from(component_bytes_max).unwrap_or(usize::MAX);
    Router::new()
        .route("/v1/plugins", get(list))
        .route("/v1/plugins/swap", post(swap))
        .route("/v1/plugins/shadow", post(shadow))
        .route("/v1/plugins/{name}/{order}", post(order))
        .layer(DefaultBodyLimit::max(most.saturating_add(ORDER_BYTES_MAX)))
}

async fn list(State(lobby): State<Arc<Lobby>>) -> Response {
    let Some(daemon) = lobby.daemon() else { return not_yet() };
    match told(daemon).await {
        Ok(plugins) => Json(json!({"plugins": plugins, "refused": daemon.refused})).into_response(),
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &chain(&error)),
    }
}

async fn told(daemon: &Daemon) -> Result<Vec<PluginStatus>, StoreError> {
    let history = daemon.store.generations().await?;
    let quarantined = daemon.store.quarantined().await?;
    let workers = daemon.crew.workers().into_iter();
    let plugins = workers.map(|(name, worker)| PluginStatus {
        description: worker.plugin().description().clone(),
        put_by: worker.generation().put_by,
        worker: WorkerStatus::of(&worker),
        history: history.iter().filter(|it| it.plugin == name).cloned().collect(),
        quarantined: quarantined.iter().filter(|it| it.plugin == name).cloned().collect(),
    });
    Ok(plugins.collect())
}

async fn swap(
    State(lobby): State<Arc<Lobby>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Bytes,
) -> Response {
    let (daemon, candidate, trial) = match brought(&lobby, &body, &peer) {
        Ok(brought) => brought,
        Err(refusal) => return *refusal,
    };
    match daemon.crew.swap(candidate, trial).await {
        Ok(swapped) => {
            // What it reads may have changed while nobody who reads that was there.
            daemon.hint.notify_one();
            Json(swapped).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn shadow(
    State(lobby): State<Arc<Lobby>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Bytes,
) -> Response {
    let (daemon, candidate, trial) = match brought(&lobby, &body, &peer) {
        Ok(brought) => brought,
        Err(refusal) => return *refusal,
    };
    match daemon.crew.shadow(candidate, trial).await {
        Ok((plugin, compared)) => {
            Json(json!({"plugin": plugin, "compared": compared})).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// The daemon, and what a request brings to it; or the answer that there can be no other.
fn brought<'l>(
    lobby: &'l Lobby,
    body: &[u8],
    peer: &Peer,
) -> Result<(&'l Daemon, Candidate, Trial), Box<Response>> {
    let daemon = lobby.daemon().ok_or_else(|| Box::new(not_yet()))?;
    let refused = |problem: String| Box::new(refuse(StatusCode::BAD_REQUEST, &problem));
    let (candidate, trial) = candidate(body, peer).map_err(refused)?;
    Ok((daemon, candidate, trial))
}

/// What a request brings.
fn candidate(body: &[u8], peer: &Peer) -> Result<(Candidate, Trial), String> {
    let end = body.iter().take(ORDER_BYTES_MAX).position(|byte| *byte == b'\n');
    let (line, bytes) = end
        .and_then(|end| Some((body.get(..end)?, body.get(end + 1..)?)))
        .ok_or_else(|| "a line that says what is wanted comes before the component".to_owned())?;
    let order: Order = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let digest = crate::plugin::load::digest(bytes);
    if digest != order.sha256 {
        let theirs = order.sha256;
        return Err(format!("the component arrived as sha256 {digest} and was sent as {theirs}"));
    }
    let Order { file, papers, trial, .. } = order;
    let source = Source::Named(file);
    Ok((Candidate { bytes: bytes.to_vec(), papers, source, by: peer.name() }, trial))
}

async fn order(
    State(lobby): State<Arc<Lobby>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((name, order)): Path<(String, String)>,
) -> Response {
    let Some(daemon) = lobby.daemon() else { return not_yet() };
    let (crew, by) = (&daemon.crew, peer.name());
    let done = match order.as_str() {
        "rollback" => crew.roll_back(&name, &by).await.map(|swapped| json!(swapped)),
        "enable" => crew.switch(&name, Enabled::Yes, &by).await.map(|()| json!({"enabled": name})),
        "disable" => crew.switch(&name, Enabled::No, &by).await.map(|()| json!({"disabled": name})),
        "clear-quarantine" => {
            crew.clear_quarantine(&name).await.map(|cleared| json!({"cleared": cleared}))
        }
        _ => {
            let problem = format!(
                "'{order}' is no order: rollback, enable, disable and clear-quarantine are"
            );
            return refuse(StatusCode::BAD_REQUEST, &problem);
        }
    };
    match done {
        Ok(answer) => {
            tracing::info!(plugin = name, order, by, "told over the socket");
            Json(answer).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// Why not, in words, and with all that was seen where that is more.
fn refused(error: &LifeError) -> Response {
    let code = match error {
        LifeError::Unknown { .. } => StatusCode::NOT_FOUND,
        LifeError::Busy(_) | LifeError::Standby | LifeError::Same { .. } => StatusCode::CONFLICT,
        LifeError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let compared = match error {
        LifeError::Moves { compared, .. } => Some(compared),
        _ => None,
    };
    (code, Json(json!({"problem": chain(error), "compared": compared}))).into_response()
}
