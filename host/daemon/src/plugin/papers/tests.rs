//! What `papers.rs` promises.

use super::*;

fn description() -> Description {
    Description {
        name: "novel".to_owned(),
        version: "1.2.3".to_owned(),
        summary: "does \"things\"".to_owned(),
        wakes: Vec::new(),
        poll_seconds: 60,
        reads: vec!["attackers".to_owned()],
        writes: vec!["put-state".to_owned()],
        kernels: Vec::new(),
        settings: vec![super::super::load::Setting {
            name: "min".to_owned(),
            default: "2".to_owned(),
            summary: String::new(),
        }],
    }
}

#[test]
fn a_manifest_comes_back_from_its_text_signed_or_not() {
    let manifest = Manifest::new("aa", description());
    let text = manifest.text().unwrap();
    let read = Manifest::parse(&text, "aa").unwrap();
    assert_eq!(read, manifest);
    assert!(read.agrees_with(&description()).is_ok());
    let signed = signed::SecretKey::draw().unwrap().sign(&text);
    assert_eq!(Manifest::parse(&signed, "aa").unwrap().describe(), manifest.describe());
}

#[test]
fn a_manifest_is_of_one_component_and_says_what_it_says() {
    let manifest = Manifest::new("aa", description());
    let error = Manifest::parse(&manifest.text().unwrap(), "bb").unwrap_err().to_string();
    assert_eq!(error, "is for the component sha256 aa, this is bb");
    let more = Description {
        reads: vec!["attackers".to_owned(), "credentials".to_owned()],
        version: "1.2.4".to_owned(),
        ..description()
    };
    let error = manifest.agrees_with(&more).unwrap_err().to_string();
    assert!(error.contains("of version, reads"), "{error}");
    let error = Manifest::parse("[component]\nsha256 = 7\n", "aa").unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn a_certificate_counts_only_if_everything_passed() {
    let kit = || Kit { corral: "0".to_owned(), contract: "0.1.0".to_owned(), at: 1 };
    let check = |passed| Check { name: "deterministic".to_owned(), passed, found: String::new() };
    let text = |checks| Certificate::new("aa", kit(), checks).text().unwrap();
    assert!(Certificate::parse(&text(vec![check(true)]), "aa").is_ok());
    let error = Certificate::parse(&text(vec![check(true), check(false)]), "aa").unwrap_err();
    assert_eq!(error.to_string(), "says that the component failed: deterministic");
    assert!(Certificate::parse(&text(Vec::new()), "aa").is_err());
    assert!(Certificate::parse(&text(vec![check(true)]), "bb").is_err());
}
