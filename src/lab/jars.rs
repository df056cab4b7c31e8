//! The jars of one Kafka release, copied by Maven into a cache that outlives `cargo clean`.
//!
//! A release is complete or absent: it is made in a folder beside and renamed, under a file lock, so that two processes at once
//! neither download twice nor see half of it. Nothing is ever changed in place; a changed `pom.xml` makes a new folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::lab::LabError;

const POM: &str = include_str!("kafka/pom.xml");
const LOG4J2: &str = include_str!("kafka/log4j2.properties");
const RELOAD4J: &str = include_str!("kafka/reload4j.properties");

/// The jars of one Kafka release, ready to run.
#[derive(Debug, Clone)]
pub struct Jars {
    /// The release, such as "4.3.1".
    pub version: String,
    folder: PathBuf,
}

impl Jars {
    /// Gives the jars of `version`, fetching them first if this machine has never run it. Blocks.
    ///
    /// Errors: [`LabError::Missing`] without Java or Maven; [`LabError::Jars`] with Maven's words if it cannot reach its repository.
    pub fn ensure(version: &str, cache: Option<&Path>) -> Result<Self, LabError> {
        let cache = match cache {
            Some(given) => given.to_owned(),
            None => default_cache()?,
        };
        check_program("java", "-version", "openjdk-17-jre-headless")?;
        fs::create_dir_all(&cache).map_err(LabError::file("make", &cache))?;
        let digest = hex::encode(Sha256::digest([POM, LOG4J2, RELOAD4J].concat().as_bytes()));
        let name = format!("{version}-{}", digest.get(..12).unwrap_or(&digest));
        let jars = Self { version: version.to_owned(), folder: cache.join(&name) };
        if !jars.folder.is_dir() {
            let lock_path = cache.join(format!("{name}.lock"));
            let lock = File::create(&lock_path).map_err(LabError::file("make", &lock_path))?;
            lock.lock().map_err(LabError::file("lock", &lock_path))?;
            // Another process may have finished while this one waited for the lock.
            if !jars.folder.is_dir() {
                jars.fetch(&cache.join(format!("{name}.part")))?;
            }
        }
        Ok(jars)
    }

    /// Gives the arguments of `java` that choose the class path and the logging settings.
    #[must_use]
    pub fn java_arguments(&self) -> [String; 3] {
        let logging = self.folder.join(self.logging_file());
        let option = if self.is_3x() { "log4j.configuration" } else { "log4j2.configurationFile" };
        [
            format!("-D{option}=file:{}", logging.display()),
            "-cp".to_owned(),
            self.folder.join("libs").join("*").display().to_string(),
        ]
    }

    fn is_3x(&self) -> bool {
        self.version.starts_with("3.")
    }

    fn logging_file(&self) -> &'static str {
        if self.is_3x() { "reload4j.properties" } else { "log4j2.properties" }
    }

    /// Makes the release's folder in `part` and renames it; the caller holds the lock.
    fn fetch(&self, part: &Path) -> Result<(), LabError> {
        check_program("mvn", "-v", "maven")?;
        if part.exists() {
            fs::remove_dir_all(part).map_err(LabError::file("clear", part))?;
        }
        fs::create_dir_all(part).map_err(LabError::file("make", part))?;
        for (name, text) in [("pom.xml", POM), ("log4j2.properties", LOG4J2), ("reload4j.properties", RELOAD4J)] {
            fs::write(part.join(name), text).map_err(LabError::file("write", part.join(name)))?;
        }
        let profile = if self.is_3x() { "reload4j" } else { "log4j2" };
        let output = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(part.join("pom.xml"))
            .args(["-P", profile, &format!("-Dkafka.version={}", self.version)])
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", part.join("libs").display()))
            .arg("-DincludeScope=runtime")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| LabError::Missing { program: "mvn", package: "maven", source })?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            let from = text.char_indices().rev().nth(OUTPUT_CHARS_MAX).map_or(0, |(at, _)| at);
            let tail = text.get(from..).unwrap_or_default();
            return Err(LabError::Jars { version: self.version.clone(), output: tail.to_owned() });
        }
        fs::rename(part, &self.folder).map_err(LabError::file("rename", part))
    }
}

/// Enough of Maven's output to hold its error and the first causes.
const OUTPUT_CHARS_MAX: usize = 2_000;

fn check_program(program: &'static str, argument: &str, package: &'static str) -> Result<(), LabError> {
    Command::new(program).arg(argument).stdin(Stdio::null()).output().map(|_| ()).map_err(|source| LabError::Missing {
        program,
        package,
        source,
    })
}

/// Gives the user's cache folder for Kafka releases.
#[expect(
    clippy::disallowed_methods,
    reason = "the cache belongs to the user, and only the environment knows where theirs is"
)]
fn default_cache() -> Result<PathBuf, LabError> {
    let base = std::env::var("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".cache")))
        .map_err(|source| LabError::File {
            act: "find",
            path: PathBuf::from("the user's cache folder (neither XDG_CACHE_HOME nor HOME is set)"),
            source: io::Error::new(io::ErrorKind::NotFound, source),
        })?;
    Ok(base.join("tanist").join("kafka"))
}
