//! Runs a network's study and follows it to its end, a fall or an interruption.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::network::Network;
use crate::Error;
use crate::coordinator::events::Event;

/// How long sites may take to notice the end of a study.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sets the flag on Ctrl-C or SIGTERM, so that everything is cleared away on the way out.
pub(crate) fn watch_for_interrupt() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let fault = |e: std::io::Error| Error::Stopped { party: "haima".into(), reason: e.to_string() };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    let set = Arc::clone(&flag);
    std::thread::spawn(move || {
        runtime.block_on(async {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                if let Ok(mut terminate) = signal(SignalKind::terminate()) {
                    tokio::select! {
                        _ = tokio::signal::ctrl_c() => {}
                        _ = terminate.recv() => {}
                    }
                    return;
                }
            }
            let _ = tokio::signal::ctrl_c().await;
        });
        set.store(true, Ordering::SeqCst);
    });
    Ok(flag)
}

/// Starts every party of a network and shows the study's events, [`Event::Done`] last.
///
/// # Errors
/// When a party falls, the study fails or the user interrupts; the coordinator has ended then.
pub(crate) fn to_the_end(
    network: &mut Network,
    interrupted: &AtomicBool,
    see: impl FnMut(&Event),
) -> Result<(), Error> {
    network.start_all()?;
    let mut coordinator = network.start_coordinator()?;
    let watched = watch(&mut coordinator, network, interrupted, see);
    if watched.is_err() {
        let _ = coordinator.kill();
    }
    let _ = coordinator.wait();
    watched?;
    network.stop(PATIENCE);
    Ok(())
}

fn watch(
    coordinator: &mut Child,
    network: &mut Network,
    interrupted: &AtomicBool,
    mut see: impl FnMut(&Event),
) -> Result<(), Error> {
    let stopped = |network: &Network| Error::Stopped {
        party: "coordinator".into(),
        reason: network.last_line("coordinator"),
    };
    let Some(output) = coordinator.stdout.take() else { return Err(stopped(network)) };
    let (sender, events) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Ok(event) = serde_json::from_str::<Event>(&line)
                && sender.send(event).is_err()
            {
                return;
            }
        }
    });
    loop {
        match events.recv_timeout(Duration::from_millis(100)) {
            Ok(event) => {
                see(&event);
                if event == Event::Done {
                    return Ok(());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(stopped(network)),
        }
        if interrupted.load(Ordering::SeqCst) {
            return Err(Error::Interrupted);
        }
        if let Some(error) = network.fallen() {
            return Err(error);
        }
    }
}
