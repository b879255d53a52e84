//! Between a directory and the driver: what the directory sends reaches the driver in whole messages that are answers to
//! what was asked, or not at all. The driver would descend as deep as a peer nests and panic at a missing field.

use std::collections::HashMap;
use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ber::{self, Malformed};
use super::shape::{self, Asked, Message};

/// Bytes of all answers to one request.
const MOST_OF_AN_ANSWER: usize = 4 * 1024 * 1024;
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Why a connection has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The directory closed it or the network did, or this side dropped it.
    Lost(io::ErrorKind),
    /// The directory said that it ends it.
    Goodbye,
    /// The directory sent what is no answer.
    Malformed(Malformed),
    /// The driver did not survive an answer.
    Driver,
}

impl From<io::Error> for Ended {
    fn from(why: io::Error) -> Self {
        Self::Lost(why.kind())
    }
}

impl From<Malformed> for Ended {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

/// Carries messages both ways until one side ends, and says why.
pub(super) async fn stand_between<S, D>(directory: S, driver: D) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite + Unpin,
{
    carry(directory, driver).await.err().unwrap_or(Ended::Goodbye)
}

/// Ends well only with a goodbye.
async fn carry<S, D>(mut directory: S, mut driver: D) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite + Unpin,
{
    let (mut answers, mut requests) = (BytesMut::new(), BytesMut::new());
    let mut open: HashMap<u32, Open> = HashMap::new();
    loop {
        answers.reserve(CHUNK);
        requests.reserve(CHUNK);
        tokio::select! {
            read = driver.read_buf(&mut requests) => {
                none_means_lost(read?)?;
                while let Some(length) = ber::message(&requests)? {
                    let request = requests.split_to(length);
                    if let Some((id, asked)) = shape::request(&request)? {
                        open.insert(id, Open { asked, bytes: 0 });
                    }
                    directory.write_all(&request).await?;
                }
                directory.flush().await?;
            }
            read = directory.read_buf(&mut answers) => {
                none_means_lost(read?)?;
                while let Some(length) = ber::message(&answers)? {
                    let answer = answers.split_to(length);
                    let message = shape::answer(&answer, |id| open.get(&id).map(|open| open.asked))?;
                    match message {
                        Message::Goodbye => return Ok(()),
                        Message::End { id, .. } => drop(open.remove(&id)),
                        Message::Part { id } => {
                            let bytes = open.get_mut(&id).map(|open| { open.bytes += length; open.bytes });
                            if bytes.is_some_and(|bytes| bytes > MOST_OF_AN_ANSWER) {
                                return Err(Malformed("an answer larger than any that is read").into());
                            }
                        }
                    }
                    driver.write_all(&answer).await?;
                }
            }
        }
    }
}

struct Open {
    asked: Asked,
    bytes: usize,
}

fn none_means_lost(read: usize) -> Result<(), Ended> {
    if read == 0 { Err(Ended::Lost(io::ErrorKind::UnexpectedEof)) } else { Ok(()) }
}
