//! Reads a body to its end and unpacks it, a long one while it arrives. Does not know what the body holds.

use std::fmt;
use std::io::Write;

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// Longest body that is read, in bytes. It is far longer than any page, and does not exhaust a machine.
const MAX_BYTES: usize = 1 << 30;
/// Most bytes that are allocated because of a `Content-Length`, before they arrive.
const MAX_PREALLOCATED: u64 = 1 << 20;
/// About how many times longer JSON rows are than their gzip.
const GZIP_RATIO: u64 = 8;
/// Packed bytes that are held before unpacking begins. What unpacks needs 50 kB, and room for the whole body. An ordinary
/// page takes both only when it has come, so many answers that arrive side by side take little.
const MOST_HELD: usize = 64 << 10;

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection broke, or the answer is not HTTP.
    Network(reqwest::Error),
    /// The gzip body cannot be unpacked.
    Gzip(std::io::Error),
    /// The body is longer than `MAX_BYTES`.
    TooLong,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => error.fmt(f),
            Self::Gzip(error) => write!(f, "the packed body is broken: {error}"),
            Self::TooLong => f.write_str("the body is longer than 1 GiB"),
        }
    }
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self::Network(error)
    }
}

/// Reads the whole body, unpacked.
pub(crate) async fn read(mut response: Response) -> Result<Vec<u8>, Broken> {
    let packed = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() == b"gzip");
    let length = response.content_length().unwrap_or_default();
    if !packed {
        let mut body = room(length);
        while let Some(chunk) = response.chunk().await? {
            body.write_all(&chunk).map_err(|_| Broken::TooLong)?;
        }
        return Ok(body.0);
    }
    let mut held = Vec::new();
    while held.len() < MOST_HELD
        && let Some(chunk) = response.chunk().await?
    {
        held.extend_from_slice(&chunk);
    }
    let mut decoder = MultiGzDecoder::new(room(length.max(held.len() as u64).saturating_mul(GZIP_RATIO)));
    decoder.write_all(&held).map_err(broken)?;
    drop(held);
    while let Some(chunk) = response.chunk().await? {
        decoder.write_all(&chunk).map_err(broken)?;
    }
    Ok(decoder.finish().map_err(broken)?.0)
}

/// Room for a body of about so many bytes.
fn room(expected: u64) -> Limited {
    Limited(Vec::with_capacity(usize::try_from(expected.min(MAX_PREALLOCATED)).unwrap_or_default()))
}

fn broken(error: std::io::Error) -> Broken {
    if error.kind() == std::io::ErrorKind::FileTooLarge { Broken::TooLong } else { Broken::Gzip(error) }
}

/// Bytes up to `MAX_BYTES`, so that a small gzip body cannot fill the memory.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
