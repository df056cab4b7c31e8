//! Compiles `proto/*.proto` without protoc: protox parses, tonic-prost-build writes Rust into `OUT_DIR`.

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from("proto");
    println!("cargo:rerun-if-changed=proto");
    let sources: Vec<PathBuf> =
        ["peers.proto", "tanist.proto"].iter().map(|name| root.join(name)).filter(|path| path.exists()).collect();
    compile(&sources, &root)
}

fn compile(sources: &[PathBuf], root: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for source in sources {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    let descriptors = protox::compile(sources, [root])?;
    tonic_prost_build::configure().bytes(".tanist.peers.v1").compile_fds(descriptors)?;
    Ok(())
}
