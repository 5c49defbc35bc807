//! A short number for a text, the same on every machine and in every version. A leaf.

/// FNV-1a of several texts with 64 bits, then mixed. The texts are told apart from their concatenation.
pub(crate) fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    // A byte that no text in UTF-8 has ends each of them.
    let one = |hash: u64, text: &str| step(text.bytes().fold(hash, step), 0xff);
    let hash = texts.into_iter().fold(0xcbf2_9ce4_8422_2325, one);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States hold fingerprints, so a version must not give others than the one before.
    #[test]
    fn fingerprints_stay_what_they_are() {
        assert_eq!(fingerprint(["42", r#"{"id":42}"#]), 10_937_735_136_545_738_504);
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["ab"]));
        assert_ne!(fingerprint(["a", ""]), fingerprint(["a"]));
    }
}
