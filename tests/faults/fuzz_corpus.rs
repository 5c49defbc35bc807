//! Replays the kept corpus through the fuzz targets, without a fuzzer. A mistake found once does not come back.

use std::path::PathBuf;

#[path = "../../fuzz/src/bodies.rs"]
mod bodies;

#[test]
fn every_input_of_the_corpus_keeps_its_promises() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, body) in bodies::TARGETS {
        let files: Vec<PathBuf> =
            std::fs::read_dir(corpus.join(name)).expect("a corpus").flatten().map(|file| file.path()).collect();
        assert!(files.len() >= 3, "{name} has {} inputs", files.len());
        for file in files {
            let input = std::fs::read(&file).expect("an input");
            let result = std::panic::catch_unwind(|| body(&input));
            assert!(result.is_ok(), "{} breaks {name}", file.display());
        }
    }
}
