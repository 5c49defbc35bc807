//! Turns an answer into bytes and sends them. A fault may spoil them.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::{Reply, reason};

/// How the sending of an answer is spoiled.
#[derive(Clone, Debug)]
pub(crate) enum Spoil {
    /// Reset the connection instead of answering.
    ResetBeforeHeaders,
    /// Reset it after the headers.
    ResetAfterHeaders,
    /// Close it after this many bytes of body.
    Cut(usize),
    /// Send nothing more after this many bytes of body, and keep the connection open.
    Stall(usize),
    /// Announce a length that is wrong by this much.
    WrongLength(isize),
    /// Compress, and send only the first half of the compressed bytes.
    TruncatedGzip,
}

/// What may follow on the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    Keep,
    /// Nothing.
    Close,
}

/// What was sent.
pub(crate) struct Sent {
    /// Bytes of body.
    pub(crate) body: usize,
    /// What follows.
    pub(crate) after: After,
}

/// How to send.
pub(crate) struct Manner {
    /// Compress the body.
    pub(crate) gzip: bool,
    /// Close the connection without announcing it, as servers behind a plain socket do.
    pub(crate) close: bool,
    /// What goes wrong.
    pub(crate) spoil: Option<Spoil>,
}

/// Sends an answer.
pub(crate) async fn send(stream: &mut TcpStream, reply: &Reply, manner: &Manner) -> std::io::Result<Sent> {
    if matches!(manner.spoil, Some(Spoil::ResetBeforeHeaders)) {
        stream.set_zero_linger()?;
        return Ok(Sent { body: 0, after: After::Close });
    }
    let truncated = matches!(manner.spoil, Some(Spoil::TruncatedGzip));
    let gzip = truncated || (manner.gzip && reply.body.len() > 200);
    let mut body = if gzip { compress(&reply.body)? } else { reply.body.clone() };
    if truncated {
        body.truncate(body.len() / 2);
    }
    let delta = if let Some(Spoil::WrongLength(delta)) = manner.spoil { delta } else { 0 };
    let mut message = head(reply, body.len().saturating_add_signed(delta), gzip).into_bytes();
    let start = message.len();
    message.extend_from_slice(&body);
    match manner.spoil {
        Some(Spoil::ResetAfterHeaders) => reset_after(stream, &message[..start]).await,
        Some(Spoil::Cut(at)) => cut(stream, &message, start, at).await,
        Some(Spoil::Stall(at)) => stall(stream, &message, start, at).await,
        _ => whole(stream, &message, body.len(), manner.close || delta != 0).await,
    }
}

async fn whole(stream: &mut TcpStream, message: &[u8], body: usize, close: bool) -> std::io::Result<Sent> {
    stream.write_all(message).await?;
    stream.flush().await?;
    Ok(Sent { body, after: if close { After::Close } else { After::Keep } })
}

/// Pauses before the reset, since a reset throws away what the client has not read. So the client reads the headers.
async fn reset_after(stream: &mut TcpStream, head: &[u8]) -> std::io::Result<Sent> {
    stream.write_all(head).await?;
    stream.flush().await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    stream.set_zero_linger()?;
    Ok(Sent { body: 0, after: After::Close })
}

async fn cut(stream: &mut TcpStream, message: &[u8], start: usize, at: usize) -> std::io::Result<Sent> {
    let end = message.len().min(start + at);
    stream.write_all(&message[..end]).await?;
    stream.shutdown().await?;
    Ok(Sent { body: end - start, after: After::Close })
}

async fn stall(stream: &mut TcpStream, message: &[u8], start: usize, at: usize) -> std::io::Result<Sent> {
    let end = message.len().min(start + at);
    stream.write_all(&message[..end]).await?;
    stream.flush().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(Sent { body: end - start, after: After::Close })
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn head(reply: &Reply, length: usize, gzip: bool) -> String {
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    let encoding = gzip.then(|| ("Content-Encoding".to_owned(), "gzip".to_owned()));
    for (name, value) in reply.headers.iter().chain(&encoding) {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("Content-Type: ");
    head.push_str(&reply.content_type);
    head.push_str("\r\nContent-Length: ");
    head.push_str(&length.to_string());
    head.push_str("\r\n\r\n");
    head
}
