# Sourced by the other scripts: where things are kept outside the repository, and which versions are wanted there.
# The lab keeps Kafka's jars in kafka/ below the same folder.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tanist"
cargo_deny_version=0.20.2
cargo_deny="$cache/tools/cargo-deny-$cargo_deny_version/bin/cargo-deny"
# Tests find the interpreter at this fixed place below the cache: python/bin/python3.
python_home="$cache/python"
