//! Between a directory and the driver: what the directory sends reaches the driver in whole messages that are answers to
//! what was asked, or not at all. The driver would descend as deep as a peer nests and panic at a missing field.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ber::{self, Malformed};
use super::shape::{self, Asked, Message};

/// Bytes of all answers to one operation, however many requests it takes.
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

/// How many bytes the directory may still answer to the operation under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// Another operation begins.
    pub(super) fn renew(&self) {
        self.0.store(MOST_OF_AN_ANSWER, Relaxed);
    }

    /// Whether anything of an answer has come.
    pub(super) fn is_spent_from(&self) -> bool {
        self.0.load(Relaxed) < MOST_OF_AN_ANSWER
    }

    fn spend(&self, bytes: usize) -> Result<(), Malformed> {
        let left = self.0.load(Relaxed).checked_sub(bytes);
        self.0.store(left.ok_or(Malformed("an answer larger than any that is read"))?, Relaxed);
        Ok(())
    }
}

/// Carries messages both ways until one side ends, and says why.
pub(super) async fn stand_between<S, D>(directory: S, driver: D, allowance: &Allowance) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite + Unpin,
{
    carry(directory, driver, allowance).await.err().unwrap_or(Ended::Goodbye)
}

/// Ends well only with a goodbye.
async fn carry<S, D>(mut directory: S, mut driver: D, allowance: &Allowance) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite + Unpin,
{
    let (mut answers, mut requests) = (BytesMut::new(), BytesMut::new());
    let mut open: HashMap<u32, Asked> = HashMap::new();
    loop {
        answers.reserve(CHUNK);
        requests.reserve(CHUNK);
        tokio::select! {
            read = driver.read_buf(&mut requests) => {
                none_means_lost(read?)?;
                while let Some(length) = ber::message(&requests)? {
                    let request = requests.split_to(length);
                    if let Some((id, asked)) = shape::request(&request)? {
                        open.insert(id, asked);
                    }
                    directory.write_all(&request).await?;
                }
                directory.flush().await?;
            }
            read = directory.read_buf(&mut answers) => {
                none_means_lost(read?)?;
                while let Some(length) = ber::message(&answers)? {
                    let answer = answers.split_to(length);
                    allowance.spend(length)?;
                    match shape::answer(&answer, |id| open.get(&id).copied())? {
                        Message::Goodbye => return Ok(()),
                        Message::End { id, .. } => drop(open.remove(&id)),
                        Message::Part => {}
                    }
                    driver.write_all(&answer).await?;
                }
            }
        }
    }
}

fn none_means_lost(read: usize) -> Result<(), Ended> {
    if read == 0 { Err(Ended::Lost(io::ErrorKind::UnexpectedEof)) } else { Ok(()) }
}
