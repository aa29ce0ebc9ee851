//! Packets as they stand on the wire: a header line, four bytes of length, a body.
//!
//! `<VERB>[ <args>]\n` in ASCII, at most 4,096 bytes with its newline, `\r\n` tolerated; the body's length as
//! four bytes, big end first, at most 1,048,576; the body. The args are what follows the first blank, without
//! the white space around it. Whoever sends anything else is not spoken with any more: there is no way to
//! find the next packet.
//!
//! A length is believed only as far as bytes arrive: memory is taken for what came, never for what was
//! announced. A packet that has begun has to be whole in time, between packets a peer may be silent for ever.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes of a header, its newline included.
pub const HEADER_BYTES_MAX: usize = 4096;

/// The most bytes of a body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of the length between header and body.
const LENGTH_BYTES: usize = 4;

/// Characters of a stranger's header that a message repeats.
const QUOTED_MAX: usize = 64;

/// Room for the next read: little while a peer says little, since thousands may be connected.
const READ_BYTES: usize = 1 << 10;

/// Room for the next read within a body that is long.
const READ_BYTES_LONG: usize = 64 << 10;

/// What a packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A client says its name; it need not.
    Hello,
    /// A client publishes an envelope under a topic.
    Pub,
    /// A client wants the events that match a pattern.
    Sub,
    /// A client does not want them any more.
    Unsub,
    /// The broker hands over an event.
    Evt,
    /// The last packet of either side.
    Bye,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Hello, Self::Pub, Self::Sub, Self::Unsub, Self::Evt, Self::Bye];

    /// As it stands on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hello => "HELLO",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Unsub => "UNSUB",
            Self::Evt => "EVT",
            Self::Bye => "BYE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One packet, as a peer sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is about.
    pub verb: Verb,
    /// A name, a topic or a pattern; often empty.
    pub args: String,
    /// JSON, or nothing.
    pub body: Bytes,
}

/// What is wrong with a packet, or with the connection it came over.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// There is no newline where the last one may stand.
    #[error("its header is longer than {HEADER_BYTES_MAX} bytes")]
    LongHeader,
    /// The header is not ASCII.
    #[error("its header is not ASCII: {0:?}")]
    NotAscii(String),
    /// The header does not begin with a verb.
    #[error("its verb {0:?} is none of HELLO, PUB, SUB, UNSUB, EVT, BYE")]
    UnknownVerb(String),
    /// The body is longer than allowed, or says that it will be.
    #[error("its body has {bytes} bytes, and {BODY_BYTES_MAX} are the limit")]
    LongBody {
        /// How long it is, or would be.
        bytes: usize,
    },
    /// What is to be sent would not be read as it is meant.
    #[error(
        "{0:?} cannot stand in a header: it takes ASCII without control characters or blanks around it"
    )]
    Args(String),
    /// The connection ended inside a packet.
    #[error("it ended after {bytes} bytes: its {part} is not whole")]
    Cut {
        /// What was being read.
        part: Part,
        /// Bytes of the packet that came.
        bytes: usize,
    },
    /// A packet has begun and does not come to its end.
    #[error("it was not whole after {} s: {bytes} bytes came, its {part} is missing", within.as_secs_f64())]
    Late {
        /// What was being read.
        part: Part,
        /// Bytes of the packet that came.
        bytes: usize,
        /// The time that it had.
        within: Duration,
    },
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] std::io::Error),
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The line.
    Header,
    /// The four bytes.
    Length,
    /// The rest.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Length => "length",
            Self::Body => "body",
        })
    }
}

/// A packet's bytes.
///
/// # Errors
/// [`WireError::Args`], [`WireError::LongHeader`] or [`WireError::LongBody`]: a peer would close the connection.
pub fn encode(verb: Verb, args: &str, body: &[u8]) -> Result<Bytes, WireError> {
    let word = verb.word();
    if args != trim(args) || args.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_control()) {
        return Err(WireError::Args(quoted(args)));
    }
    let blank = usize::from(!args.is_empty());
    let header_bytes = word.len() + blank + args.len() + 1;
    if header_bytes > HEADER_BYTES_MAX {
        return Err(WireError::LongHeader);
    }
    let length = match u32::try_from(body.len()) {
        Ok(length) if body.len() <= BODY_BYTES_MAX => length,
        _ => return Err(WireError::LongBody { bytes: body.len() }),
    };
    let mut packet = BytesMut::with_capacity(header_bytes + LENGTH_BYTES + body.len());
    packet.put_slice(word.as_bytes());
    if blank == 1 {
        packet.put_u8(b' ');
        packet.put_slice(args.as_bytes());
    }
    packet.put_u8(b'\n');
    packet.put_u32(length);
    packet.put_slice(body);
    Ok(packet.freeze())
}

/// Takes the first packet out of what has arrived; nothing if it is not whole yet.
///
/// # Errors
/// [`WireError`] as soon as what has arrived cannot become a packet.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Packet>, WireError> {
    let Some(end) = header_end(buffer)? else { return Ok(None) };
    let (header, rest) = buffer.split_at_checked(end).unwrap_or((buffer, &[]));
    let (verb, args) = read_header(header)?;
    let after = rest.get(1..).unwrap_or(&[]);
    let Some((length, after)) = after.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > BODY_BYTES_MAX {
        return Err(WireError::LongBody { bytes: length });
    }
    if after.len() < length {
        return Ok(None);
    }
    let args = args.to_owned();
    buffer.advance(end + 1 + LENGTH_BYTES);
    Ok(Some(Packet { verb, args, body: buffer.split_to(length).freeze() }))
}

/// Where the header's newline stands, if it has come.
fn header_end(buffer: &[u8]) -> Result<Option<usize>, WireError> {
    let header = buffer.get(..HEADER_BYTES_MAX).unwrap_or(buffer);
    match memchr::memchr(b'\n', header) {
        None if header.len() == HEADER_BYTES_MAX => Err(WireError::LongHeader),
        end => Ok(end),
    }
}

fn read_header(line: &[u8]) -> Result<(Verb, &str), WireError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok().filter(|text| text.is_ascii());
    let text = text.ok_or_else(|| WireError::NotAscii(quoted(&String::from_utf8_lossy(line))))?;
    let (word, args) = text.split_once(' ').unwrap_or((text, ""));
    let verb = Verb::ALL.into_iter().find(|verb| verb.word() == word);
    verb.map(|verb| (verb, trim(args))).ok_or_else(|| WireError::UnknownVerb(quoted(word)))
}

/// Without the white space around it: DECNET's trimming takes the four separators for white space too.
fn trim(args: &str) -> &str {
    args.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// The beginning of a stranger's text, for a message.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

/// Packets from one side of a connection, as they come.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    arrived: BytesMut,
    packet_within: Duration,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads packets; one that has begun has to be whole within `packet_within`.
    pub fn new(from: R, packet_within: Duration) -> Self {
        Self { from, arrived: BytesMut::new(), packet_within }
    }

    /// The next packet; nothing if the connection ended between two.
    ///
    /// Dropping the future loses nothing that has arrived.
    ///
    /// # Errors
    /// [`WireError`]: nothing more can be read from this connection.
    pub async fn next(&mut self) -> Result<Option<Packet>, WireError> {
        loop {
            if let Some(packet) = decode(&mut self.arrived)? {
                return Ok(Some(packet));
            }
            if !self.arrived.is_empty() {
                break;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
        let within = self.packet_within;
        match tokio::time::timeout(within, self.finish()).await {
            Ok(packet) => packet.map(Some),
            Err(_) => Err(WireError::Late { part: self.part(), bytes: self.arrived.len(), within }),
        }
    }

    /// The rest of a packet that has begun.
    async fn finish(&mut self) -> Result<Packet, WireError> {
        loop {
            if self.fill().await? == 0 {
                return Err(WireError::Cut { part: self.part(), bytes: self.arrived.len() });
            }
            if let Some(packet) = decode(&mut self.arrived)? {
                return Ok(packet);
            }
        }
    }

    async fn fill(&mut self) -> Result<usize, WireError> {
        let is_long = self.arrived.len() >= READ_BYTES;
        self.arrived.reserve(if is_long { READ_BYTES_LONG } else { READ_BYTES });
        Ok(self.from.read_buf(&mut self.arrived).await?)
    }

    /// The part that is not whole.
    fn part(&self) -> Part {
        match memchr::memchr(b'\n', &self.arrived) {
            None => Part::Header,
            Some(end) if self.arrived.len() < end + 1 + LENGTH_BYTES => Part::Length,
            Some(_) => Part::Body,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buffer(bytes: &[u8]) -> BytesMut {
        BytesMut::from(bytes)
    }

    fn error(bytes: &[u8]) -> String {
        decode(&mut buffer(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn a_packet_is_its_header_its_length_and_its_body() {
        let bytes = encode(Verb::Pub, "a.b", b"{}").unwrap();
        assert_eq!(&bytes[..], b"PUB a.b\n\0\0\0\x02{}");
        assert_eq!(&encode(Verb::Bye, "", b"").unwrap()[..], b"BYE\n\0\0\0\0");
    }

    #[test]
    fn a_header_may_end_in_crlf_and_its_args_are_trimmed() {
        for header in ["SUB demo.*\n", "SUB  demo.*  \r\n", "SUB demo.*\x1f\n", "SUB \tdemo.*\r\n"]
        {
            let bytes = [header.as_bytes(), &[0; 4]].concat();
            let packet = decode(&mut buffer(&bytes)).unwrap().unwrap();
            assert_eq!((packet.verb, packet.args.as_str()), (Verb::Sub, "demo.*"), "{header:?}");
        }
        let bye = decode(&mut buffer(b"BYE\r\n\0\0\0\0")).unwrap().unwrap();
        assert_eq!((bye.verb, bye.args.as_str()), (Verb::Bye, ""));
    }

    #[test]
    fn a_header_of_4096_bytes_passes_and_one_of_4097_does_not() {
        let longest = "t".repeat(HEADER_BYTES_MAX - "PUB \n".len());
        let bytes = encode(Verb::Pub, &longest, b"").unwrap();
        assert_eq!(decode(&mut buffer(&bytes)).unwrap().unwrap().args, longest);
        let longer = format!("{longest}t");
        assert!(matches!(encode(Verb::Pub, &longer, b""), Err(WireError::LongHeader)));
        assert!(error(format!("PUB {longer}\n").as_bytes()).contains("4096"));
        // It is refused as soon as no newline can follow, and not before.
        assert!(decode(&mut buffer(&[b'x'; HEADER_BYTES_MAX - 1])).unwrap().is_none());
        assert!(error(&[b'x'; HEADER_BYTES_MAX]).contains("4096"));
    }

    #[test]
    fn a_body_of_a_mebibyte_passes_and_one_byte_more_does_not() {
        let body = vec![b'x'; BODY_BYTES_MAX];
        let bytes = encode(Verb::Evt, "t", &body).unwrap();
        assert_eq!(decode(&mut buffer(&bytes)).unwrap().unwrap().body, body);
        let longer = encode(Verb::Evt, "t", &[&body[..], b"x"].concat());
        assert!(matches!(longer, Err(WireError::LongBody { bytes: 1_048_577 })));
        // Refused by what it announces: the body need not come.
        assert!(error(b"EVT t\n\x00\x10\x00\x01").contains("1048577"));
        assert!(error(b"EVT t\n\xff\xff\xff\xff").contains("4294967295"));
    }

    #[test]
    fn what_is_no_packet_is_named() {
        assert!(error(b"GET / HTTP/1.1\r\n").contains("\"GET\""));
        assert!(error(b"sub a\n").contains("\"sub\""));
        assert!(error(b"\n").contains("\"\""));
        assert!(error("PUB caf\u{e9}\n".as_bytes()).contains("not ASCII"));
        assert!(error(b"PUB \xff\xfe\n").contains("not ASCII"));
    }

    #[test]
    fn args_that_would_change_on_the_way_are_refused() {
        for args in [" a", "a ", "a\nSUB b", "a\r", "caf\u{e9}", "a\0b"] {
            assert!(matches!(encode(Verb::Pub, args, b""), Err(WireError::Args(_))), "{args:?}");
        }
    }

    #[tokio::test]
    async fn the_end_inside_a_packet_says_where() {
        let whole = encode(Verb::Pub, "a.b", b"{\"payload\":{}}").unwrap();
        for cut in 1..whole.len() {
            let mut reader = Reader::new(&whole[..cut], Duration::from_secs(60));
            let part = match cut {
                0..8 => Part::Header,
                8..12 => Part::Length,
                _ => Part::Body,
            };
            let error = reader.next().await.unwrap_err();
            let WireError::Cut { part: told, bytes } = error else { panic!("{error}") };
            assert_eq!((told, bytes), (part, cut));
        }
        assert!(Reader::new(&b""[..], Duration::MAX).next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn half_a_packet_has_a_deadline_and_silence_has_none() {
        let within = Duration::from_millis(20);
        let (mut ours, theirs) = tokio::io::duplex(64);
        let mut reader = Reader::new(theirs, within);
        let silent = tokio::time::timeout(10 * within, reader.next()).await;
        assert!(silent.is_err(), "the reader gave up on a silent peer: {silent:?}");
        tokio::io::AsyncWriteExt::write_all(&mut ours, b"PUB a.").await.unwrap();
        let error = reader.next().await.unwrap_err().to_string();
        assert!(error.contains("0.02 s") && error.contains("6 bytes") && error.contains("header"));
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_they_are_cut(
            packets in prop::collection::vec(
                (0..6_usize, "([!-~]([ -~]{0,20}[!-~])?)?", prop::collection::vec(any::<u8>(), 0..300)), 0..6),
            step in 1..50_usize,
        ) {
            let bytes: Vec<u8> = packets.iter()
                .flat_map(|(verb, args, body)| encode(Verb::ALL[*verb], args, body).unwrap())
                .collect();
            let (mut arrived, mut decoded) = (BytesMut::new(), Vec::new());
            for chunk in bytes.chunks(step) {
                arrived.extend_from_slice(chunk);
                while let Some(packet) = decode(&mut arrived).unwrap() {
                    decoded.push(packet);
                }
            }
            prop_assert!(arrived.is_empty());
            let meant: Vec<Packet> = packets.into_iter()
                .map(|(verb, args, body)| Packet { verb: Verb::ALL[verb], args, body: body.into() })
                .collect();
            prop_assert_eq!(decoded, meant);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_wait_beyond_the_limits(
            bytes in prop::collection::vec(any::<u8>(), 0..6000),
        ) {
            let mut arrived = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut arrived) {}
        }
    }
}
