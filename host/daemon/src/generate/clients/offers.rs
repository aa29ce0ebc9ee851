//! What well-known SSH software offers: a table and nothing else.
//!
//! The names and their usual order are public facts of each library; no list is meant to be that of one
//! exact release, so a HASSH here need not be one that is seen in the wild.

const CURVES: &str = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
                      ecdh-sha2-nistp521";
const OPENSSH_MACS: &str = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
                            hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,\
                            umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1";
const OPENSSH_CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,\
                               aes128-gcm@openssh.com,aes256-gcm@openssh.com";
const MODERN_KEYS: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
                           rsa-sha2-512,rsa-sha2-256";
const OLD_CIPHERS: &str = "aes256-ctr,aes192-ctr,aes128-ctr,aes256-cbc,aes192-cbc,aes128-cbc";

/// Version strings, separated by `|`, and the five lists: key exchanges, host keys, ciphers, MACs,
/// compressions. `{x}` stands for a list above.
pub(super) type Row = (&'static str, [&'static str; 5]);

pub(super) const SHARED_LIBRARY: Row = (
    "libssh2_1.8.0|libssh2_1.7.0|libssh2_1.4.3|libssh2_1.8.2|libssh2_1.6.0|libssh2_1.9.0|PUTTY|OpenSSH_5.3|\
     libssh2_1.10.0|libssh2_1.8.1_DEV",
    [
        "diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
        "ssh-rsa,ssh-dss",
        "aes128-ctr,aes192-ctr,aes256-ctr,aes256-cbc,aes192-cbc,aes128-cbc,blowfish-cbc,arcfour128,arcfour,\
         cast128-cbc,3des-cbc",
        "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160",
        "none",
    ],
);

pub(super) const WORM: [Row; 6] = [
    (
        "libssh-0.6.3|libssh-0.6.5",
        [
            "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group14-sha1,\
             diffie-hellman-group1-sha1",
            "ecdsa-sha2-nistp256,ssh-rsa,ssh-dss",
            "{old},blowfish-cbc,3des-cbc",
            "hmac-sha1",
            "none",
        ],
    ),
    (
        "libssh_0.8.7",
        [
            "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group18-sha512,\
             diffie-hellman-group16-sha512,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
            "{keys},ssh-rsa",
            "chacha20-poly1305@openssh.com,{old},3des-cbc",
            "hmac-sha2-256,hmac-sha2-512,hmac-sha1",
            "none",
        ],
    ),
    (
        "libssh_0.9.6|libssh_0.9.5",
        [
            "{curves},diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,\
             diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,ext-info-c",
            "{keys}",
            "aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
            "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512",
            "none",
        ],
    ),
    (
        "libssh_0.11.1",
        [
            "{curves},diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,\
             diffie-hellman-group14-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
            "{keys}",
            "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,\
             aes128-ctr",
            "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256",
            "none,zlib@openssh.com",
        ],
    ),
    (
        "libssh_0.12.0",
        [
            "mlkem768x25519-sha256,sntrup761x25519-sha512,{curves},diffie-hellman-group16-sha512,ext-info-c,\
             kex-strict-c-v00@openssh.com",
            "{keys}",
            "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr",
            "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com",
            "none,zlib@openssh.com",
        ],
    ),
    (
        "libssh_0.7.5",
        [
            "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp521,diffie-hellman-group14-sha1",
            "ssh-ed25519,ecdsa-sha2-nistp256,ssh-rsa",
            "{old},3des-cbc",
            "hmac-sha2-256,hmac-sha1",
            "none",
        ],
    ),
];

pub(super) const RELAY_TOOL: Row = (
    "OpenSSH_7.4",
    [
        "{curves},diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
         diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,ext-info-c",
        "{keys},ssh-rsa,ssh-dss",
        "{openssh},aes128-cbc,aes192-cbc,aes256-cbc",
        "{macs}",
        "none,zlib@openssh.com,zlib",
    ],
);

pub(super) const SURVEY: Row = (
    "ZGrab ZGrab SSH Survey",
    [
        "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,\
         diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
        "ssh-ed25519,ecdsa-sha2-nistp256,ssh-rsa,ssh-dss",
        "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,arcfour",
        "hmac-sha2-256,hmac-sha1,hmac-sha1-96",
        "none",
    ],
);

pub(super) const TERMINAL: [Row; 4] = [
    (
        "OpenSSH_9.6p1 Ubuntu-3ubuntu13.5",
        [
            "sntrup761x25519-sha512@openssh.com,{curves},diffie-hellman-group-exchange-sha256,\
             diffie-hellman-group16-sha512,ext-info-c,kex-strict-c-v00@openssh.com",
            "{keys}",
            "{openssh}",
            "{macs}",
            "none,zlib@openssh.com,zlib",
        ],
    ),
    (
        "PuTTY_Release_0.81",
        [
            "sntrup761x25519-sha512@openssh.com,curve448-sha512,curve25519-sha256,\
             diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,rsa2048-sha256,ext-info-c",
            "ssh-ed448,ssh-ed25519,ecdsa-sha2-nistp521,rsa-sha2-512,ssh-rsa",
            "aes256-ctr,aes256-cbc,aes128-ctr,chacha20-poly1305@openssh.com,3des-ctr",
            "hmac-sha2-512,hmac-sha2-256,hmac-sha1,hmac-md5",
            "none,zlib,zlib@openssh.com",
        ],
    ),
    (
        "OpenSSH_8.4p1 Debian-5+deb11u3",
        [
            "{curves},diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,ext-info-c",
            "{keys},ssh-rsa",
            "{openssh}",
            "{macs}",
            "none,zlib@openssh.com,zlib",
        ],
    ),
    (
        "WinSCP_release_6.3.3",
        [
            "curve448-sha512,curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group16-sha512,ext-info-c",
            "ssh-ed448,ssh-ed25519,rsa-sha2-512",
            "aes256-ctr,chacha20-poly1305@openssh.com,aes128-ctr",
            "hmac-sha2-512,hmac-sha2-256",
            "none,zlib",
        ],
    ),
];

pub(super) const TOOL: [Row; 6] = [
    (
        "Go",
        [
            "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group14-sha256",
            "{keys},ssh-rsa",
            "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
            "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha1,hmac-sha1-96",
            "none",
        ],
    ),
    (
        "paramiko_3.4.0|paramiko_2.12.0",
        [
            "{curves},diffie-hellman-group16-sha512,diffie-hellman-group-exchange-sha256",
            "{keys},ssh-rsa",
            "aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,3des-cbc",
            "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-md5",
            "none",
        ],
    ),
    (
        "AsyncSSH_2.14.0",
        [
            "{curves},curve448-sha512,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha1",
            "{keys},ssh-rsa",
            "{openssh}",
            "{macs}",
            "zlib@openssh.com,zlib,none",
        ],
    ),
    (
        "sshlib-0.1|sshlib-0.2",
        [
            "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
            "ssh-dss,ssh-rsa",
            "3des-cbc,aes128-cbc,blowfish-cbc,arcfour",
            "hmac-sha1,hmac-md5,hmac-sha1-96",
            "none",
        ],
    ),
    (
        "JSCH-0.1.54|JSCH-0.2.16",
        [
            "ecdh-sha2-nistp256,ecdh-sha2-nistp384,diffie-hellman-group14-sha1,\
             diffie-hellman-group-exchange-sha256",
            "ssh-rsa,ssh-dss,ecdsa-sha2-nistp256",
            "aes128-ctr,aes128-cbc,3des-ctr,3des-cbc,blowfish-cbc",
            "hmac-md5,hmac-sha1,hmac-sha2-256,hmac-sha1-96",
            "none",
        ],
    ),
    (
        "Granados-1.0",
        [
            "diffie-hellman-group1-sha1,diffie-hellman-group14-sha256",
            "ssh-rsa,ssh-dss",
            "aes256-ctr,aes128-cbc,blowfish-cbc,3des-cbc",
            "hmac-sha1",
            "none",
        ],
    ),
];

/// A list with its parts put in.
pub(super) fn complete(list: &str) -> String {
    list.replace("{curves}", CURVES)
        .replace("{keys}", MODERN_KEYS)
        .replace("{openssh}", OPENSSH_CIPHERS)
        .replace("{macs}", OPENSSH_MACS)
        .replace("{old}", OLD_CIPHERS)
}
