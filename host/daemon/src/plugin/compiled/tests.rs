//! Entries that are what they were, and entries that are not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

const DIGEST: &str = "0123";

/// The code of a component that is nothing.
fn code(engine: &Engine) -> Vec<u8> {
    engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    /// A folder with one entry.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), engine: Engine::default() };
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        place.open().put(&place.engine, DIGEST, &code(&place.engine));
        place
    }

    fn open(&self) -> Compiled {
        Compiled::open(self.folder.path()).unwrap()
    }

    fn has(&self, digest: &str) -> bool {
        self.open().get(&self.engine, digest).is_some()
    }

    fn entry(&self, digest: &str) -> PathBuf {
        self.folder.path().join(Entry::of(&self.engine, digest).name())
    }
}

#[test]
fn what_was_kept_is_there_for_whoever_opens_the_folder_next() {
    let place = Place::new();
    assert!(place.has(DIGEST));
    assert!(!place.has("4567"));
    let key = fs::metadata(place.folder.path().join(KEY_FILE)).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(place.folder.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "the key and the entry, and nothing beside them: {names:?}");
}

#[test]
fn an_entry_with_any_byte_changed_is_refused_and_forgotten() {
    let place = Place::new();
    let good = fs::read(place.entry(DIGEST)).unwrap();
    let last = good.len() - 1;
    for at in [0, SEAL_BYTES - 1, SEAL_BYTES, SEAL_BYTES + 16, good.len() / 2, last] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(place.entry(DIGEST), bad).unwrap();
        assert!(!place.has(DIGEST), "byte {at}");
        assert!(!place.entry(DIGEST).exists(), "byte {at}");
    }
    for len in [0, SEAL_BYTES - 1, SEAL_BYTES, last] {
        fs::write(place.entry(DIGEST), &good[..len]).unwrap();
        assert!(!place.has(DIGEST), "{len} bytes");
    }
    fs::write(place.entry(DIGEST), [&good[..], b"more"].concat()).unwrap();
    assert!(!place.has(DIGEST));
    fs::write(place.entry(DIGEST), &good).unwrap();
    assert!(place.has(DIGEST));
}

#[test]
fn an_entry_is_for_one_component_one_engine_and_one_folder() {
    let place = Place::new();
    fs::copy(place.entry(DIGEST), place.entry("4567")).unwrap();
    assert!(!place.has("4567"), "it is another's code");
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let other = Engine::new(&config).unwrap();
    let name = Entry::of(&other, DIGEST).name();
    assert_ne!(name, Entry::of(&place.engine, DIGEST).name());
    fs::copy(place.entry(DIGEST), place.folder.path().join(&name)).unwrap();
    assert!(place.open().get(&other, DIGEST).is_none(), "it is for another engine");
    let elsewhere = Place::new();
    fs::copy(place.entry(DIGEST), elsewhere.entry(DIGEST)).unwrap();
    assert!(!elsewhere.has(DIGEST), "it carries another folder's seal");
}

#[test]
fn a_folder_or_key_that_others_may_write_or_read_is_not_used() {
    let place = Place::new();
    let path = place.folder.path();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Compiled::open(path).unwrap_err().to_string();
        assert!(error.contains("folder") && error.contains("0700"), "{error}");
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(place.has(DIGEST), "others may look");
    fs::set_permissions(path.join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let error = Compiled::open(path).unwrap_err().to_string();
    assert!(error.contains("key") && error.contains("0600"), "{error}");
    fs::set_permissions(path.join(KEY_FILE), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path.join(KEY_FILE), b"short").unwrap();
    assert!(matches!(Compiled::open(path), Err(FolderError::Key(_))));
}

#[test]
fn a_new_folder_is_this_users_alone_and_two_who_make_it_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let engine = Engine::default();
    let nothing = code(&engine);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let open = || {
            let folder = Compiled::open(&path).unwrap();
            folder.put(&engine, DIGEST, &nothing);
            assert!(folder.get(&engine, DIGEST).is_some());
            folder.key
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_oldest_go_when_there_is_no_room_for_all() {
    let place = Place::new();
    let folder = place.open();
    for (name, age) in [("old", 9), ("young", 1)] {
        let file = fs::File::create(place.folder.path().join(name)).unwrap();
        file.set_len(FOLDER_BYTES_MAX / 2).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100 - age))
            .unwrap();
    }
    folder.tidy().unwrap();
    let there = |name: &str| place.folder.path().join(name).exists();
    assert!(!there("old") && there("young") && there(KEY_FILE));
    assert!(place.has(DIGEST));
}
