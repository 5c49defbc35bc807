//! Reads a body to its end, unpacked while it arrives; says why it could not be read.

use std::fmt;
use std::io::Write;

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// Longest body that is read: far beyond any page, and short of exhausting a machine.
const LONGEST: usize = 1 << 30;
/// Most bytes that a `Content-Length` is believed before they have come.
const BELIEVED: u64 = 1 << 20;

/// Times that rows of JSON are longer than what they are packed into, about.
const PACKED: u64 = 8;

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection, or an answer that is no HTTP.
    Network(reqwest::Error),
    /// A packed body that cannot be unpacked.
    Gzip(std::io::Error),
    /// Longer than `LONGEST`.
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

/// The whole body, unpacked.
pub(crate) async fn read(mut response: Response) -> Result<Vec<u8>, Broken> {
    let packed = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() == b"gzip");
    let length = response.content_length().unwrap_or_default();
    let expected = length.saturating_mul(if packed { PACKED } else { 1 }).min(BELIEVED);
    let mut body = Limited(Vec::with_capacity(usize::try_from(expected).unwrap_or_default()));
    if !packed {
        while let Some(chunk) = response.chunk().await? {
            body.write_all(&chunk).map_err(|_| Broken::TooLong)?;
        }
        return Ok(body.0);
    }
    let mut decoder = MultiGzDecoder::new(body);
    while let Some(chunk) = response.chunk().await? {
        decoder.write_all(&chunk).map_err(broken)?;
    }
    Ok(decoder.finish().map_err(broken)?.0)
}

fn broken(error: std::io::Error) -> Broken {
    if error.kind() == std::io::ErrorKind::FileTooLarge { Broken::TooLong } else { Broken::Gzip(error) }
}

/// Bytes up to a limit, so that a small packed body cannot fill the memory.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
