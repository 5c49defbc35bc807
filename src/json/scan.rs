//! Checks that a text is JSON, value by value. Builds nothing, and does not know what the values mean.
//!
//! Accepts what RFC 8259 allows. Like most parsers it also accepts lone halves of surrogate pairs in escapes. Keeps the
//! open containers in a list and does not recurse, so hostile nesting cannot overflow the stack.

/// Why no rows can be read from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Not JSON, or cut short, or too long for 32-bit offsets (4 GiB).
    NotJson,
    /// JSON, but not the array or object that was expected.
    OtherShape,
}

/// A position in a text that is being checked.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    /// The scanner has passed a `\u` escape.
    pub(super) unicode: bool,
    /// The open containers; `true` for an object, `false` for an array.
    open: Vec<bool>,
}

impl<'a> Scanner<'a> {
    pub(super) fn begin(text: &'a str) -> Result<Self, Malformed> {
        if u32::try_from(text.len()).is_err() {
            return Err(Malformed::NotJson);
        }
        let mut scanner = Self { text, bytes: text.as_bytes(), at: 0, unicode: false, open: Vec::new() };
        scanner.space();
        Ok(scanner)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads the rest: it is JSON of another shape, or no JSON.
    pub(super) fn other_shape(&mut self) -> Malformed {
        match self.value().and_then(|()| self.end()) {
            Ok(()) => Malformed::OtherShape,
            Err(malformed) => malformed,
        }
    }

    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Malformed::NotJson) }
    }

    /// Call just after an opening bracket: whether the closing one follows. Passes it.
    pub(super) fn closes(&mut self, bracket: u8) -> bool {
        self.space();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    /// Call just after a value in a container: passes a comma, or the closing bracket. Whether it was the bracket.
    pub(super) fn ends_after_value(&mut self, bracket: u8) -> Result<bool, Malformed> {
        self.space();
        let byte = self.peek().ok_or(Malformed::NotJson)?;
        self.at += 1;
        match byte {
            b',' => Ok(false),
            _ if byte == bracket => Ok(true),
            _ => Err(Malformed::NotJson),
        }
    }

    pub(super) fn colon(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.peek() != Some(b':') {
            return Err(Malformed::NotJson);
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Passes a value and everything in it.
    pub(super) fn value(&mut self) -> Result<(), Malformed> {
        self.space();
        let outside = self.open.len();
        loop {
            // Down: enter containers until a value is no container, or an empty one.
            let opened = match self.peek().ok_or(Malformed::NotJson)? {
                b'"' => self.string().map(|_| false)?,
                b'{' => self.enter(true, b'}')?,
                b'[' => self.enter(false, b']')?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => self.number()?,
            };
            if opened {
                continue;
            }
            // Up: leave containers until one has another value.
            loop {
                if self.open.len() == outside {
                    return Ok(());
                }
                let object = self.open.last() == Some(&true);
                if self.ends_after_value(if object { b'}' } else { b']' })? {
                    self.open.pop();
                    continue;
                }
                self.space();
                if object {
                    self.string()?;
                    self.colon()?;
                }
                break;
            }
        }
    }

    /// Enters a container and stops at its first value. `false` if the container is empty; then it is passed.
    fn enter(&mut self, object: bool, bracket: u8) -> Result<bool, Malformed> {
        self.at += 1;
        if self.closes(bracket) {
            return Ok(false);
        }
        self.open.push(object);
        if object {
            self.string()?;
            self.colon()?;
        }
        Ok(true)
    }

    fn literal(&mut self, word: &str) -> Result<bool, Malformed> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Malformed::NotJson);
        }
        self.at += word.len();
        Ok(false)
    }

    fn number(&mut self) -> Result<bool, Malformed> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(false)
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Malformed::NotJson) }
    }

    /// Passes a string from quote to quote. Returns whether it holds escapes.
    pub(super) fn string(&mut self) -> Result<bool, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed::NotJson);
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at = plain_until(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(Malformed::NotJson), // the end, or a bare control character
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or(Malformed::NotJson)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Malformed::NotJson);
                }
                self.unicode = true;
                self.at += 6;
            }
            _ => return Err(Malformed::NotJson),
        }
        Ok(())
    }
}

/// Index of the first byte from `at` on that ends plain text: a quote, a backslash or a control character. Looks at
/// eight bytes at a time.
pub(super) fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest byte that is zero, or below a bound, gets its high bit. Higher bytes may get it by mistake: only the
    // lowest one counts.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| chunk.try_into().ok()) {
        let word = u64::from_le_bytes(chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.get(at..).unwrap_or_default().iter().position(ends).map_or(bytes.len(), |found| at + found)
}
