//! HASSH: what an SSH client offers, as one number.
//!
//! MD5 over `kex;encryption;mac;compression`, client to server, each list joined by commas, in the
//! client's order. Cowrie writes it since September 2018; logs before that have the lists, from which
//! it is computed here. Cowrie's `fingerprint` is the MD5 of a *public key* and never a HASSH.

use std::fmt::Write;

use md5::{Digest, Md5};

/// The HASSH of the four lists.
pub fn of(kex: &[&str], encryption: &[&str], mac: &[&str], compression: &[&str]) -> String {
    let mut md5 = Md5::new();
    for (at, list) in [kex, encryption, mac, compression].into_iter().enumerate() {
        if at > 0 {
            md5.update(b";");
        }
        for (at, algorithm) in list.iter().enumerate() {
            if at > 0 {
                md5.update(b",");
            }
            md5.update(algorithm.as_bytes());
        }
    }
    hex(&md5.finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_client_has_its_well_known_hassh() {
        // libssh 0.6.3 as every published list of HASSHes has it.
        let hassh = of(
            &[
                "curve25519-sha256@libssh.org",
                "ecdh-sha2-nistp256",
                "diffie-hellman-group14-sha1",
                "diffie-hellman-group1-sha1",
            ],
            &[
                "aes256-ctr",
                "aes192-ctr",
                "aes128-ctr",
                "aes256-cbc",
                "aes192-cbc",
                "aes128-cbc",
                "blowfish-cbc",
                "3des-cbc",
                "des-cbc-ssh1",
            ],
            &["hmac-sha1"],
            &["none"],
        );
        assert_eq!(hassh, "51cba57125523ce4b9db67714a90bf6e");
    }

    #[test]
    fn a_client_that_offers_nothing_still_has_one() {
        assert_eq!(of(&[], &[], &[], &[]), hex(&Md5::digest(";;;")));
    }
}
