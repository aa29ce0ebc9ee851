//! A log file as bytes: unpacked if it is gzip, and its content hashed as it lies there.
//!
//! What a file is, its first bytes tell, not its name. Logs that were rotated twice are gzip members
//! one behind the other. The hash is of the file, not of what was packed into it, and is complete only
//! after [`Unpacked::finish`], which reads what the reader had no use for.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::Progress;
use super::hassh::hex;

const BUFFER_BYTES: usize = 128 << 10;

/// Forms of packing that are known but not read, and what unpacks them.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "unzip"),
];

/// The bytes inside of a file.
pub struct Unpacked {
    input: Input,
    /// What was read to look at it.
    start: Cursor<Vec<u8>>,
}

enum Input {
    Plain(BufReader<Raw>),
    Gzip(Box<MultiGzDecoder<BufReader<Raw>>>),
}

/// A file's hash and length.
pub struct Content {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The length.
    pub bytes: u64,
}

impl Unpacked {
    /// Looks at the first bytes of `raw` and unpacks it if need be; each byte that is read is reported.
    ///
    /// # Errors
    /// What the system said, or that this packing is not read.
    pub fn new(raw: Box<dyn Read + Send>, progress: Arc<dyn Progress>) -> io::Result<Self> {
        let raw = Raw { inner: raw, sha256: Sha256::new(), bytes: 0, progress };
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, raw);
        let start = raw.fill_buf()?;
        if let Some((_, tool)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
            let message =
                format!("packed with {tool}, which is not read (unpack it, or pipe it in with -)");
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let is_gzip = start.starts_with(b"\x1f\x8b");
        let input = if is_gzip {
            Input::Gzip(Box::new(MultiGzDecoder::new(raw)))
        } else {
            Input::Plain(raw)
        };
        Ok(Self { input, start: Cursor::default() })
    }

    /// Whether the content begins with `magic`. To be asked before anything is read.
    pub fn begins_with(&mut self, magic: &[u8]) -> bool {
        let mut start = Vec::new();
        // What is wrong with the file is said when it is read.
        let _later = Read::by_ref(self).take(magic.len() as u64).read_to_end(&mut start);
        let begins = start == magic;
        self.start = Cursor::new(start);
        begins
    }

    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.input, Input::Gzip(_))
    }

    /// Reads the file to its end and says what it was.
    ///
    /// # Errors
    /// What the system said.
    pub fn finish(self) -> io::Result<Content> {
        let mut raw = match self.input {
            Input::Plain(raw) => raw,
            Input::Gzip(gzip) => gzip.into_inner(),
        };
        io::copy(&mut raw, &mut io::sink())?;
        let Raw { sha256, bytes, .. } = raw.into_inner();
        Ok(Content { sha256: hex(&sha256.finalize()), bytes })
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let looked_at = self.start.read(buffer)?;
        if looked_at > 0 {
            return Ok(looked_at);
        }
        match &mut self.input {
            Input::Plain(raw) => raw.read(buffer),
            Input::Gzip(gzip) => gzip.read(buffer),
        }
    }
}

/// The file itself.
struct Raw {
    inner: Box<dyn Read + Send>,
    sha256: Sha256,
    bytes: u64,
    progress: Arc<dyn Progress>,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(read) = buffer.get(..count) {
            self.sha256.update(read);
            self.bytes += count as u64;
            self.progress.bytes(count as u64);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::Silent;
    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>) -> (io::Result<String>, Content) {
        let mut unpacked =
            Unpacked::new(Box::new(io::Cursor::new(bytes)), Arc::new(Silent)).unwrap();
        let mut text = Vec::new();
        let result = unpacked.read_to_end(&mut text);
        (result.map(|_| String::from_utf8(text).unwrap()), unpacked.finish().unwrap())
    }

    #[test]
    fn gzip_members_one_behind_the_other_are_one_file() {
        let bytes = [gzip("a\n"), gzip("b\n")].concat();
        let (text, content) = unpack(bytes.clone());
        assert_eq!(text.unwrap(), "a\nb\n");
        assert_eq!(content.sha256, hex(&Sha256::digest(&bytes)));
        assert_eq!(content.bytes, bytes.len() as u64);
    }

    #[test]
    fn the_first_bytes_decide_and_not_the_name() {
        assert_eq!(unpack(b"{}\n".to_vec()).0.unwrap(), "{}\n");
        assert_eq!(unpack(Vec::new()).0.unwrap(), "");
        let error = Unpacked::new(Box::new(&b"\xfd7zXZ\0\0"[..]), Arc::new(Silent)).err().unwrap();
        assert!(error.to_string().contains("xz"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_an_error_and_still_has_its_hash() {
        let mut bytes = gzip(&"line\n".repeat(10_000));
        bytes.truncate(bytes.len() / 2);
        let (text, content) = unpack(bytes.clone());
        assert_eq!(text.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(content.sha256, hex(&Sha256::digest(&bytes)));
    }
}
