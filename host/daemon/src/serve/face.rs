//! The daemon's face: HTTP over a UNIX socket, for `corral status` and its like.
//!
//! Whoever may open the socket may do everything; its mode and group are the access control. The routes are
//! few, answers are JSON, and errors have a `problem` in words.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::lobby::Lobby;
use super::status::Status;
use crate::plugin::Reason;
use crate::socket::{Socket, SocketError};

mod peer;
pub mod plugins;

/// The most bytes of an answer: a status lists the poison rows of a whole database.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The socket, listening.
#[derive(Debug)]
pub struct Listener(Socket);

/// Why nobody can be asked, or answered.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Nobody is there.
    #[error("no daemon answers at {} (start one: `corral serve`, or `systemctl start corral`; name another socket with serve.socket)", .0.display())]
    Nobody(PathBuf),
    /// We may not ask.
    #[error("{}: not permitted (be its user or in its group)", .0.display())]
    Denied(PathBuf),
    /// Somebody is there, and does not speak as it should.
    #[error("the daemon at {}: {reason}", path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The daemon said no.
    #[error("{problem}")]
    Refused {
        /// Why.
        problem: String,
        /// All that it said.
        answer: Box<Value>,
    },
}

impl Listener {
    /// Listens at the first place that is there and may be written.
    ///
    /// # Errors
    /// [`FaceError::Socket`]; among others where a daemon answers already.
    pub async fn bind(places: &[PathBuf]) -> Result<Self, FaceError> {
        Ok(Self(Socket::bind(places, None, "a daemon").await?))
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl axum::serve::Listener for Listener {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok(stream) => return (stream, ()),
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted; newcomers wait");
                    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(())
    }
}

/// Answers until it is dropped.
pub(super) async fn answer(lobby: Arc<Lobby>, listener: Listener) {
    let routes = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/wake", post(wake_all))
        .route("/v1/workers/{name}/{order}", post(order))
        .merge(plugins::routes(lobby.component_bytes_max()))
        .with_state(lobby)
        .into_make_service_with_connect_info::<peer::Peer>();
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "nobody is answered on the socket any more");
    }
}

async fn status(State(lobby): State<Arc<Lobby>>) -> Json<Status> {
    Json(lobby.status().await)
}

async fn wake_all(State(lobby): State<Arc<Lobby>>) -> Response {
    let Some(daemon) = lobby.daemon() else { return not_yet() };
    // What is new is looked for first: a database of DECNET's says nothing by itself.
    daemon.hint.notify_one();
    daemon.crew.raise(Reason::Command);
    Json(json!({"woken": daemon.crew.workers().keys().collect::<Vec<_>>()})).into_response()
}

async fn order(
    State(lobby): State<Arc<Lobby>>,
    extract::Path((name, order)): extract::Path<(String, String)>,
) -> Response {
    let Some(daemon) = lobby.daemon() else { return not_yet() };
    let workers = daemon.crew.workers();
    let Some(worker) = workers.get(&name) else {
        let known: Vec<&str> = workers.keys().map(String::as_str).collect();
        let problem = format!("no correlator is called '{name}': there are {}", known.join(", "));
        return refuse(StatusCode::NOT_FOUND, &problem);
    };
    match order.as_str() {
        "wake" => worker.raise(Reason::Command),
        "stop" => worker.hold(|held| held.by_order = true),
        "start" => worker.hold(|held| held.by_order = false),
        _ => {
            let problem = format!("'{order}' is no order: wake, stop and start are");
            return refuse(StatusCode::BAD_REQUEST, &problem);
        }
    }
    tracing::info!(worker = name, order, "told over the socket");
    Json(json!({"worker": name, "order": order})).into_response()
}

fn not_yet() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the database is not open yet (see `corral status`)")
}

fn refuse(code: StatusCode, problem: &str) -> Response {
    (code, Json(json!({"problem": problem}))).into_response()
}

/// Asks the daemon that answers at the first of these sockets.
///
/// # Errors
/// [`FaceError`].
pub async fn ask(
    sockets: &[PathBuf],
    method: hyper::Method,
    route: &str,
) -> Result<Value, FaceError> {
    ask_with(sockets, method, route, Bytes::new()).await
}

/// The same, with something to say.
///
/// # Errors
/// [`FaceError`].
pub async fn ask_with(
    sockets: &[PathBuf],
    method: hyper::Method,
    route: &str,
    body: Bytes,
) -> Result<Value, FaceError> {
    let (path, stream) = connect(sockets).await?;
    let garbled = |reason: String| FaceError::Garbled { path: path.clone(), reason };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| garbled(error.to_string()))?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let request = hyper::Request::builder()
        .method(method)
        .uri(route)
        .header(hyper::header::HOST, "corral")
        .body(Full::new(body))
        .map_err(|error| garbled(error.to_string()))?;
    let response =
        sender.send_request(request).await.map_err(|error| garbled(error.to_string()))?;
    let code = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| garbled(error.to_string()))?
        .to_bytes();
    drop(connection);
    let answer: Value =
        serde_json::from_slice(&body).map_err(|error| garbled(format!("{code}: {error}")))?;
    match answer.get("problem").and_then(Value::as_str) {
        Some(problem) if !code.is_success() => {
            let problem = problem.to_owned();
            Err(FaceError::Refused { problem, answer: Box::new(answer) })
        }
        _ if code.is_success() => Ok(answer),
        _ => Err(garbled(code.to_string())),
    }
}

async fn connect(sockets: &[PathBuf]) -> Result<(PathBuf, UnixStream), FaceError> {
    let mut denied = None;
    for path in sockets {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok((path.clone(), stream)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                denied.get_or_insert_with(|| FaceError::Denied(path.clone()));
            }
            Err(_) => {}
        }
    }
    Err(denied.unwrap_or_else(|| FaceError::Nobody(sockets.first().cloned().unwrap_or_default())))
}
