//! The documents agree with the program, and the deployments they describe work as written.
//! The scripts `packaging/run` (pip, uv, cargo) and `meltano/run` check every way to install.
//! They need Python packages.

mod docs;
mod machines;
