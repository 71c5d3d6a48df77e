//! The wish to stop, shared by all parts of a role; blocking code asks, async code waits.

use tokio::sync::watch;

#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown { sender: watch::Sender::new(false) }
    }
}

impl Shutdown {
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    pub fn requested(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns when shutdown is requested.
    pub async fn wait(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as `self`, so this ends with the request only.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// Requests shutdown on SIGINT or SIGTERM; a second signal ends the process at once. Needs a tokio runtime.
    pub async fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = self.wait() => return Ok(()),
        }
        tracing::info!("stopping; a second signal ends the process at once");
        self.request();
        tokio::select! {
            _ = interrupt.recv() => std::process::exit(130),
            _ = terminate.recv() => std::process::exit(143),
        }
    }

    /// As `on_signals`, on a thread of its own, for roles that are not async.
    pub fn on_signals_in_background(&self) -> std::io::Result<()> {
        let shutdown = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            if let Err(error) = runtime.block_on(shutdown.on_signals()) {
                tracing::error!(%error, "signals are not handled");
            }
        })?;
        Ok(())
    }
}
