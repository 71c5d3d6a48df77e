//! Where the lines of HTTP/1 end, and where bodies do: no more of it than that.

use memchr::memchr;

/// Bytes kept of a line that came in several reads: a header name, and a length's digits.
const KEPT: usize = 64;
/// Digits of a length that fits what anybody sends.
const DIGITS: usize = 15;

/// What the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Lines of a head, after an optional empty line or two.
    RequestLine,
    Headers,
    /// So many bytes of a body, or of a chunk with its line end.
    Body {
        left: u64,
        chunked: bool,
    },
    ChunkSize,
    Trailer,
    /// Nothing more is looked at: it was refused, or is no HTTP/1.
    Over,
}

/// A head's framing.
#[derive(Clone, Copy, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

pub struct Scan {
    place: Place,
    framing: Framing,
    /// The beginning of a line that came in several reads.
    line: Vec<u8>,
    /// The last byte of the read before.
    last: u8,
}

/// A line that is not to pass.
struct Refused;

impl Scan {
    pub fn http1() -> Scan {
        Scan { place: Place::RequestLine, framing: Framing::default(), line: Vec::new(), last: 0 }
    }

    /// Of HTTP/2, whose frames have lengths of their own.
    pub fn nothing() -> Scan {
        Scan { place: Place::Over, ..Scan::http1() }
    }

    /// Looks at the next bytes of the connection, and spoils the line that is refused.
    pub fn scan(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match self.place {
                Place::Over => return,
                Place::Body { left, chunked } => {
                    let here = left.min((bytes.len() - at) as u64);
                    at += here as usize;
                    self.place = match (left - here, chunked) {
                        (0, true) => Place::ChunkSize,
                        (0, false) => Place::RequestLine,
                        (left, chunked) => Place::Body { left, chunked },
                    };
                }
                Place::RequestLine | Place::Headers | Place::ChunkSize | Place::Trailer => {
                    let Some(length) = memchr(b'\n', &bytes[at..]) else {
                        self.keep(&bytes[at..]);
                        break;
                    };
                    let end = at + length;
                    let whole = self.line.is_empty();
                    let before = match (length, whole) {
                        (0, true) => 0,
                        (0, false) => self.last,
                        _ => bytes[end - 1],
                    };
                    let passed = if before != b'\r' {
                        Err(Refused)
                    } else if whole {
                        self.line(&bytes[at..end])
                    } else {
                        self.keep(&bytes[at..end]);
                        let mut line = std::mem::take(&mut self.line);
                        let passed = self.line(&line);
                        line.clear();
                        self.line = line;
                        passed
                    };
                    if passed.is_err() {
                        bytes[end] = 0;
                        self.place = Place::Over;
                        return;
                    }
                    at = end + 1;
                }
            }
        }
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// A line up to its LF, or the beginning of a long one. It ends in CR.
    fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.place = match self.place {
            Place::RequestLine if line.is_empty() => Place::RequestLine,
            Place::RequestLine => {
                self.framing = Framing::default();
                Place::Headers
            }
            Place::Headers if line.is_empty() => match self.framing {
                Framing { length: Some(_), chunked: true } => return Err(Refused),
                Framing { chunked: true, .. } => Place::ChunkSize,
                Framing { length: None | Some(0), .. } => Place::RequestLine,
                Framing { length: Some(left), .. } => Place::Body { left, chunked: false },
            },
            Place::Headers => {
                self.header(line)?;
                Place::Headers
            }
            Place::ChunkSize => match chunk_size(line)? {
                0 => Place::Trailer,
                size => Place::Body { left: size + 2, chunked: true },
            },
            Place::Trailer if line.is_empty() => Place::RequestLine,
            place @ (Place::Trailer | Place::Body { .. } | Place::Over) => place,
        };
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Refused> {
        if let Some(value) = value(line, b"content-length:") {
            let digits = !value.is_empty() && value.len() <= DIGITS && value.iter().all(u8::is_ascii_digit);
            if !digits || self.framing.length.is_some() {
                return Err(Refused);
            }
            let length = value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
            self.framing.length = Some(length);
        } else if let Some(value) = value(line, b"transfer-encoding:") {
            if !value.eq_ignore_ascii_case(b"chunked") || self.framing.chunked {
                return Err(Refused);
            }
            self.framing.chunked = true;
        }
        Ok(())
    }
}

/// What stands after a name, which is written in lower case here.
fn value<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    // The first byte tells nearly all of them apart.
    if line.first()? | 0x20 != name[0] {
        return None;
    }
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn chunk_size(line: &[u8]) -> Result<u64, Refused> {
    let digits = line.iter().position(|byte| *byte == b';').map_or(line, |end| &line[..end]);
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Refused);
    }
    Ok(digits.iter().fold(0, |size, digit| size << 4 | u64::from(char::from(*digit).to_digit(16).unwrap_or(0))))
}

#[cfg(test)]
mod tests;
