//! Bodies that come compressed: gzip (RFC 1952) and zstd (RFC 8878), read within the limit of a plain body.
//!
//! Whatever a body claims to become, no more than the limit is ever held: reading stops at the first byte beyond it.

use super::problem::{Kind, Problem};
use bytes::Bytes;
use flate2::bufread::GzDecoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use schemas::limits;
use std::io::{self, Chain, Read};

/// Bytes decoded before other requests of the thread get their turn: about a tenth of a millisecond.
const AT_ONCE: usize = 64 * 1024;
/// Frames of a zstd body, members of a gzip body. A client writes one; each costs tables of its own, whatever it holds.
const FRAMES: usize = 16;
/// A window as large as the largest body (RFC 8878, 3.1.1.1.2: 2^(10 + 10) bytes).
const WINDOW: u8 = 10 << 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// By its header. Two codings on top of each other are what nobody sends by intent.
pub fn of(headers: &HeaderMap) -> Result<Coding, Problem> {
    let mut given = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = given.next() else { return Ok(Coding::Identity) };
    let text = String::from_utf8_lossy(first.as_bytes()).trim().to_ascii_lowercase();
    match text.as_str() {
        _ if given.next().is_some() => Err(Problem::coding("more than one Content-Encoding is not accepted")),
        "" | "identity" => Ok(Coding::Identity),
        "gzip" | "x-gzip" => Ok(Coding::Gzip),
        "zstd" => Ok(Coding::Zstd),
        _ => Err(Problem::coding(&format!("Content-Encoding {text:?} is not accepted"))),
    }
}

/// At most `most` bytes come out.
pub async fn decode(body: Bytes, coding: Coding, most: usize) -> Result<Bytes, Problem> {
    match coding {
        Coding::Identity => Ok(body),
        Coding::Gzip => drain(Members { rest: &body, member: None, members: 0 }, most).await,
        Coding::Zstd => drain(Frames { rest: Some(&body), frame: None, frames: 0 }, most).await,
    }
}

async fn drain(mut source: impl Read, most: usize) -> Result<Bytes, Problem> {
    let mut decoded = Vec::new();
    let mut chunk = vec![0; AT_ONCE];
    loop {
        let count = match source.read(&mut chunk) {
            Ok(0) => return Ok(decoded.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(too_large(most)),
            Err(error) => {
                return Err(Problem::new(Kind::BadRequest, format!("the body is not what its coding says: {error}")));
            }
        };
        if decoded.len() + count > most {
            return Err(too_large(most));
        }
        if decoded.capacity() - decoded.len() < count {
            let wanted = (2 * decoded.len()).clamp(AT_ONCE, most);
            decoded.reserve_exact((wanted - decoded.len()).max(count));
        }
        decoded.extend_from_slice(&chunk[..count]);
        tokio::task::yield_now().await;
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("decoded it has more than {most} bytes; send smaller batches");
    Problem::new(Kind::BodyTooLarge, detail)
}

/// Members one after the other (RFC 1952, 2.2), as a reader.
struct Members<'a> {
    /// What no member has begun with yet.
    rest: &'a [u8],
    member: Option<GzDecoder<&'a [u8]>>,
    members: usize,
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(member) = &mut self.member {
                let count = member.read(buffer)?;
                if count > 0 {
                    return Ok(count);
                }
                self.rest = self.member.take().map_or(&[][..], GzDecoder::into_inner);
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.members += 1;
            if self.members > FRAMES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {FRAMES} members")));
            }
            self.member = Some(GzDecoder::new(self.rest));
        }
    }
}

type Patched<'a> = Chain<io::Cursor<Vec<u8>>, &'a [u8]>;

/// Frames one after the other (RFC 8878, 3.1), as a reader.
struct Frames<'a> {
    /// What no frame has begun with yet; none while one is read.
    rest: Option<&'a [u8]>,
    frame: Option<StreamingDecoder<Patched<'a>, FrameDecoder>>,
    frames: usize,
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(buffer)?;
                if count > 0 {
                    return Ok(count);
                }
            }
            if let Some(frame) = self.frame.take() {
                let (_, rest) = frame.into_inner().into_inner();
                self.rest = Some(rest);
            }
            match self.rest {
                Some(rest) if !rest.is_empty() => self.begin()?,
                Some(_) | None => return Ok(0),
            }
        }
    }
}

impl<'a> Frames<'a> {
    fn begin(&mut self) -> io::Result<()> {
        self.frames += 1;
        if self.frames > FRAMES {
            return Err(io::Error::other(format!("more than {FRAMES} frames")));
        }
        let rest = self.rest.take().unwrap_or_default();
        if let Some(after) = skipped(rest) {
            self.rest = Some(after);
            return Ok(());
        }
        let (head, rest) = rest.split_at(rest.len().min(6));
        let source = io::Cursor::new(narrowed(head)).chain(rest);
        // A new decoder reserves nothing for its window; one that is used again would.
        let frame = StreamingDecoder::new_with_max_window_size(source, limits::BODY_BYTES as u64);
        self.frame = Some(frame.map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { .. } => io::Error::from(io::ErrorKind::FileTooLarge),
            error => io::Error::other(error.to_string()),
        })?);
        Ok(())
    }
}

/// What comes after a frame that is none of the data (RFC 8878, 3.1.2).
fn skipped(frame: &[u8]) -> Option<&[u8]> {
    let ([0x50..=0x5f, 0x2a, 0x4d, 0x18], rest) = frame.split_first_chunk()? else { return None };
    let (length, rest) = rest.split_first_chunk()?;
    rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..)
}

/// A frame's first bytes, its window not larger than the largest body. A decoder keeps a window before it gives anything
/// away, and streaming encoders ask for 2 to 8 MiB of it whatever they encode; no body that is accepted reaches back
/// further than it is long.
fn narrowed(head: &[u8]) -> Vec<u8> {
    let mut head = head.to_vec();
    // Magic number, descriptor, window; a single segment has no window.
    if let [_, _, _, _, descriptor, window] = head.as_mut_slice()
        && *descriptor & 0x20 == 0
    {
        *window = (*window).min(WINDOW);
    }
    head
}
