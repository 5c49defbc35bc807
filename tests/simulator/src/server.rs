//! The socket side: a thread with its own runtime. Connections stay open, and their requests are read one after the
//! other. This file decides nothing about answers.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::http::call::Call;
use crate::http::wire::{self, After};
use crate::state::State;

/// The state as threads share it.
pub(crate) type Shared = Arc<Mutex<State>>;

/// The organizations of a server, by the slugs they had at the start.
type Organizations = Arc<[(String, Shared)]>;

/// Locks the state, also if a test panicked while it held the lock.
pub(crate) fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server; it stops when this is dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a port of 127.0.0.1, any free one for 0, and serves from a new thread.
    pub(crate) fn start(organizations: Vec<(String, Shared)>, port: u16) -> std::io::Result<Self> {
        let organizations: Organizations = organizations.into();
        let listener = StdListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("sentry-simulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, organizations) => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn accept(listener: StdListener, organizations: Organizations) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connection = 0;
    while let Ok((stream, _)) = listener.accept().await {
        connection += 1;
        stream.set_nodelay(true).ok();
        let organizations = Arc::clone(&organizations);
        tokio::spawn(async move { converse(stream, organizations, connection).await.ok() });
    }
}

/// Answers the requests of one connection until either side closes it.
async fn converse(mut stream: TcpStream, organizations: Organizations, connection: u64) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(call) = next_call(&mut stream, &mut buffer).await? {
        let shared = named(&organizations, &call);
        let ticket = lock(shared).begin(&call, connection);
        if !ticket.delay.is_zero() {
            tokio::time::sleep(ticket.delay).await;
        }
        let (reply, manner) = lock(shared).complete(&ticket, &call);
        let sent = wire::send(&mut stream, &reply, &manner).await;
        let bytes = sent.as_ref().map_or(0, |sent| sent.body);
        lock(shared).end(&ticket, &reply, bytes);
        if sent?.after == After::Close {
            break;
        }
    }
    Ok(())
}

/// The state of the organization whose first slug the path names. If it names none, that of the first organization.
fn named<'a>(organizations: &'a Organizations, call: &Call) -> &'a Shared {
    let (segments, _) = call.segments();
    let named = organizations.iter().find(|(slug, _)| segments.get(3) == Some(slug));
    &named.unwrap_or(&organizations[0]).1
}

/// Reads the next request, and throws its body away. `None` at the end of the connection, or if it is no request.
async fn next_call(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Call>> {
    loop {
        match Call::parse(buffer) {
            Ok(Some((call, head))) => {
                let needed = head + call.body_length();
                while buffer.len() < needed {
                    if stream.read_buf(buffer).await? == 0 {
                        return Ok(None);
                    }
                }
                buffer.drain(..needed);
                return Ok(Some(call));
            }
            Ok(None) if buffer.len() < 65_536 => {}
            _ => return Ok(None),
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
