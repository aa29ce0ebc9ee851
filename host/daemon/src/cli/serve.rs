//! `corral serve`: the daemon, until it is told to stop.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Context, Exit, Failure};
use crate::clock::Clock;
use crate::config::{self, Config, Environment, Request, told};
use crate::serve::face::Listener;
use crate::serve::{self, ServeError, Start};

/// Keep correlating: watch the database, listen to the bus, announce what changes
///
/// SIGTERM and SIGINT stop it cleanly, SIGHUP has it read its settings again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Begin to write at once, though another process may have been writing: you know that it is gone
    #[arg(long)]
    takeover: bool,
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let code = match &error {
            ServeError::Store(_) => Exit::Store,
            ServeError::Plugins(_) | ServeError::NoPlugins => Exit::Plugin,
            ServeError::Bus(_) | ServeError::Face(_) => Exit::Usage,
            ServeError::Host(_) | ServeError::Ended(_) => Exit::Unexpected,
        };
        Self::new(code, error)
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Some(decnet) = &context.loaded.decnet {
        decnet.may_serve().map_err(|error| Failure::new(Exit::Unexpected, error))?;
    }
    // From here on a signal stops the daemon and not the process, however far it has come.
    let stop = CancellationToken::new();
    let ends = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let hangup = signal(SignalKind::hangup())?;
    let _stopping = ends.map(|end| tokio::spawn(cancel(end, stop.clone())));
    let (reload, reloads) = mpsc::channel(1);
    let _reloading = tokio::spawn(read_again(hangup, context.loaded.request.clone(), reload));
    let clock: Arc<dyn Clock> = context.clock.clone();
    let face = Listener::bind(&context.loaded.sockets).await.map_err(ServeError::from)?;
    let mut config = context.config.clone();
    config.store.url = config.store_url()?;
    let database = told::without_password(&config.store.url);
    tracing::info!(socket = %face.path().display(), database, "starting");
    let start = Start { config, is_takeover: args.takeover, instance: super::instance(context) };
    serve::serve(start, clock, face, reloads, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

async fn cancel(mut end: Signal, stop: CancellationToken) {
    if end.recv().await.is_some() {
        stop.cancel();
    }
}

/// Reads the settings again at each hangup. Wrong ones change nothing.
async fn read_again(mut hangup: Signal, request: Request, reload: mpsc::Sender<Config>) {
    while hangup.recv().await.is_some() {
        match config::load(&request, &Environment::of_process()) {
            Ok(loaded) => {
                if reload.send(loaded.config).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!(error = super::causes(&error), "the settings stay as they were");
            }
        }
    }
}
