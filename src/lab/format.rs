//! Formatting: what Kafka wants to find in every log folder of a new cluster.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::LabError;
use crate::lab::cluster::{DATA, JVM};
use crate::lab::jars::Jars;

/// Formats every node's log folder for one new cluster; gives its id.
///
/// Kafka's own tool formats the first; what it wrote differs between nodes only in two ids, so the others get copies
/// instead of a JVM each.
pub(crate) fn format(jars: &Jars, nodes: &BTreeMap<i32, &Path>) -> Result<String, LabError> {
    let cluster_id = kafka_id();
    let Some((first_id, first)) = nodes.first_key_value() else {
        return Err(LabError::Usage("a cluster needs a node".to_owned()));
    };
    let properties = first.join("node.properties");
    let output = Command::new("java")
        .args(JVM)
        .args(jars.java_arguments())
        .args(["kafka.tools.StorageTool", "format", "-t", &cluster_id, "-c"])
        .arg(&properties)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LabError::Missing { program: "java", package: "openjdk-17-jre-headless", source })?;
    if !output.status.success() {
        return Err(LabError::Command {
            command: format!("kafka.tools.StorageTool format of node {first_id}"),
            output: format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        });
    }
    let formatted = first.join(DATA);
    for node in nodes.iter().skip(1).map(|(id, node)| (id, node.join(DATA))) {
        copy_format(&formatted, *first_id, &node.1, *node.0)?;
    }
    Ok(cluster_id)
}

fn copy_format(from: &Path, from_id: i32, to: &Path, to_id: i32) -> Result<(), LabError> {
    for entry in fs::read_dir(from).map_err(LabError::file("read", from))? {
        let path = entry.map_err(LabError::file("read", from))?.path();
        let Some(name) = path.file_name() else { continue };
        if name != "meta.properties" {
            fs::copy(&path, to.join(name)).map_err(LabError::file("copy", &path))?;
            continue;
        }
        let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some(("node.id", id)) if id == from_id.to_string() => format!("node.id={to_id}\n"),
            Some(("directory.id", _)) => format!("directory.id={}\n", kafka_id()),
            _ => format!("{line}\n"),
        });
        fs::write(to.join(name), lines.collect::<String>()).map_err(LabError::file("write", to.join(name)))?;
    }
    Ok(())
}

/// Gives a new random id as Kafka writes it: 16 bytes in URL-safe base64 without padding, the first letter no dash.
///
/// Kafka's own ids never begin with a dash either: `kafka-storage format -t` would take it for an option.
fn kafka_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = uuid::Uuid::new_v4().as_u128();
    let digit = |n: u32| {
        // 22 digits of 6 bits are 132 bits: the last digit holds the last two bits, left-aligned.
        let six = if n == 21 { bits << 4 } else { bits >> (122 - 6 * n) } & 0x3f;
        usize::try_from(six).ok().and_then(|at| ALPHABET.get(at)).copied().map_or('A', char::from)
    };
    let id: String = (0..22).map(digit).collect();
    id.strip_prefix('-').map_or_else(|| id.clone(), |rest| format!("A{rest}"))
}
