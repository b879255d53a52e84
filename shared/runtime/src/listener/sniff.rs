//! On a plain listener: is this HTTP/2 (by its preface) or HTTP/1? Read no further than it takes to know.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Reads until the protocol is known; gives back what was read. An end of the stream counts as HTTP/1 without bytes.
pub(crate) async fn protocol(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(Protocol, Bytes)> {
    let mut ahead = BytesMut::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut ahead).await?;
        let common = ahead.len().min(PREFACE.len());
        if read == 0 || ahead[..common] != PREFACE[..common] {
            return Ok((Protocol::Http1, ahead.freeze()));
        }
        if common == PREFACE.len() {
            return Ok((Protocol::Http2, ahead.freeze()));
        }
    }
}

/// RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(bytes: &[u8]) -> Protocol {
        let mut stream = bytes;
        let (protocol, ahead) = protocol(&mut stream).await.expect("a slice can be read");
        assert_eq!(&ahead[..], bytes, "what was read is given back");
        protocol
    }

    #[tokio::test]
    async fn the_preface_is_http2_and_everything_else_is_http1() {
        assert_eq!(of(PREFACE).await, Protocol::Http2);
        assert_eq!(of(b"GET / HTTP/1.1\r\n").await, Protocol::Http1);
        assert_eq!(of(b"PRI * HTTP/1.1\r\n").await, Protocol::Http1);
        assert_eq!(of(b"POST / HTTP/1.1\r\n").await, Protocol::Http1);
    }
}
