//! An HTTP/1.1 answer as it comes: status, a header, body. Only what the servers under load send: a length, or no body.

/// Longer heads or bodies are nobody's that is measured here.
const MOST_BYTES: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    head: &'a [u8],
    pub body: &'a [u8],
    /// The server closes the connection after it.
    pub last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an answer that this client reads")]
pub struct BadAnswer;

impl<'a> Answer<'a> {
    /// None while bytes are missing. One request at a time is under way, so nothing may follow an answer.
    pub fn read(bytes: &'a [u8]) -> Result<Option<Answer<'a>>, BadAnswer> {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > MOST_BYTES { Err(BadAnswer) } else { Ok(None) };
        };
        let head = &bytes[..end + 2];
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?)).ok_or(BadAnswer)?;
        let length = match value(head, b"content-length") {
            Some(length) => number(length).ok_or(BadAnswer)?,
            None if value(head, b"transfer-encoding").is_some() => return Err(BadAnswer),
            None => 0,
        };
        let body = &bytes[end + 4..];
        if length > MOST_BYTES || body.len() > length {
            return Err(BadAnswer);
        }
        if body.len() < length {
            return Ok(None);
        }
        let last = value(head, b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        Ok(Some(Answer { status: status as u16, head, body, last }))
    }

    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        value(self.head, name)
    }

    /// The click's token in the redirect's destination.
    pub fn token(&self) -> Option<&'a str> {
        let location = self.header(b"location")?;
        let from = find(location, b"click_id=")? + b"click_id=".len();
        let rest = &location[from..];
        let to = rest.iter().position(|byte| *byte == b'&' || *byte == b'#').unwrap_or(rest.len());
        std::str::from_utf8(&rest[..to]).ok()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (found, rest) = (line.get(..name.len())?, line.get(name.len()..)?);
        (found.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')).then(|| rest[1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIRECT: &str = "HTTP/1.1 302 Found\r\nLocation: https://shop.example/?a=1&click_id=T0ken&ref_code=x#y\r\n\
                            set-cookie: tj=abc; Path=/\r\nContent-Length: 3\r\n\r\nabc";

    #[test]
    fn an_answer_is_there_when_its_last_byte_is() {
        for cut in 0..REDIRECT.len() {
            assert_eq!(Answer::read(&REDIRECT.as_bytes()[..cut]), Ok(None), "{cut}");
        }
        let answer = Answer::read(REDIRECT.as_bytes()).expect("an answer").expect("whole");
        assert_eq!((answer.status, answer.body, answer.last), (302, b"abc".as_slice(), false));
        assert_eq!(answer.token(), Some("T0ken"));
        assert_eq!(answer.header(b"set-cookie"), Some(b"tj=abc; Path=/".as_slice()));
        assert_eq!(answer.header(b"cookie"), None);
    }

    #[test]
    fn without_a_length_there_is_no_body_and_a_close_is_noticed() {
        let text = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n";
        let answer = Answer::read(text).expect("an answer").expect("whole");
        assert_eq!((answer.status, answer.last, answer.token()), (202, true, None));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bad in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert_eq!(Answer::read(bad.as_bytes()), Err(BadAnswer), "{bad:?}");
        }
    }
}
