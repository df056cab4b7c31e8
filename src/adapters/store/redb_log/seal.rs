//! A digest behind every value, over its key and its bytes: redb's page checksums say that a page is as redb wrote it, this
//! says that a value is the one that we put under this key.

use sha2::{Digest as _, Sha256};

/// Half a SHA-256's quarter is enough against accidents, and this is not against attackers: who can write the file can sign it.
const DIGEST_BYTES: usize = 8;

/// Gives the bytes with their digest behind them.
pub(super) fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    [bytes, &digest(key, bytes)].concat()
}

/// Gives the bytes back, if they are those that were sealed under this key.
pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (bytes, found) = sealed.split_at_checked(sealed.len().checked_sub(DIGEST_BYTES)?)?;
    (found == digest(key, bytes)).then_some(bytes)
}

fn digest(key: &[u8], bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes();
    let whole = Sha256::new().chain_update(length).chain_update(key).chain_update(bytes).finalize();
    let mut digest = [0; DIGEST_BYTES];
    for (to, from) in digest.iter_mut().zip(whole) {
        *to = from;
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_under_the_same_key_are_unsealed() {
        let sealed = seal(b"key", b"value");
        assert_eq!(unseal(b"key", &sealed), Some(&b"value"[..]));
        assert_eq!(unseal(b"kez", &sealed), None);
        assert_eq!(unseal(b"key", &sealed[1..]), None);
        assert_eq!(unseal(b"key", b"short"), None);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &flipped), None, "bit {bit}");
        }
    }
}
