//! Generates the gRPC code without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=perimeter");
    let descriptors = protox::compile(["perimeter/v1/perimeter.proto"], ["."])?;
    let file = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("perimeter.v1.bin");
    tonic_prost_build::configure()
        .file_descriptor_set_path(&file)
        .compile_fds(descriptors.clone())?;
    std::fs::write(&file, protox::prost::Message::encode_to_vec(&descriptors))?;
    Ok(())
}
