//! Weights as tensors by name: safetensors in doubles, which is read again to the bit, and burn's
//! record format in the precision that burn computes in.

use burn_pack::{Bytes, DType, Tensor, Writer};
use haima_fl_core::learn::models::MOST_WEIGHTS;
use haima_fl_core::results::network::{Layer, Network};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize as _;
use serde_json::Value;

/// The weights of each layer.
fn by_layer(network: &Network) -> Result<Vec<(&Layer, &[f64])>, String> {
    let mut rest = network.weights.as_slice();
    let mut layers = Vec::new();
    for layer in &network.model.layers {
        let few = || format!("fewer weights than the layer {} has", layer.name);
        let (own, after) =
            size(layer).and_then(|size| rest.split_at_checked(size)).ok_or_else(few)?;
        layers.push((layer, own));
        rest = after;
    }
    match rest.len() {
        0 => Ok(layers),
        more => Err(format!("{more} weights more than the layers have")),
    }
}

fn size(layer: &Layer) -> Option<usize> {
    layer.shape.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent))
}

/// A tensor a layer, F64.
pub(super) fn safetensors(network: &Network) -> Result<Vec<u8>, String> {
    let layers = by_layer(network)?;
    let bytes: Vec<(&Layer, Vec<u8>)> = layers
        .into_iter()
        .map(|(layer, own)| (layer, own.iter().flat_map(|weight| weight.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(layer, bytes)| {
            let view = TensorView::new(Dtype::F64, layer.shape.clone(), bytes);
            view.map(|view| (layer.name.as_str(), view)).map_err(|error| error.to_string())
        })
        .collect::<Result<Vec<_>, String>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// A tensor a layer, F32.
pub(super) fn burnpack(network: &Network) -> Result<Vec<u8>, String> {
    let tensors = by_layer(network)?
        .into_iter()
        .map(|(layer, own)| {
            let bytes = own.iter().flat_map(|weight| (*weight as f32).to_le_bytes()).collect();
            let shape = layer.shape.clone();
            Tensor::new(layer.name.clone(), DType::F32, shape, None, Bytes::from_bytes_vec(bytes))
        })
        .collect();
    let packed = Writer::new(tensors).with_metadata("schema", super::SCHEMA).into_bytes();
    packed.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
}

/// The weights in the order of the layers that the result names.
pub(super) fn read(bytes: &[u8], network: &Value) -> Result<Vec<f64>, String> {
    let layers = network.pointer("/model/layers").unwrap_or(&Value::Null);
    let layers = Vec::<Layer>::deserialize(layers).map_err(|error| format!("layers: {error}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    if tensors.len() != layers.len() {
        return Err(format!("{} tensors for {} layers", tensors.len(), layers.len()));
    }
    let mut weights = Vec::new();
    for layer in &layers {
        let tensor = tensors.tensor(&layer.name).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F64 || tensor.shape() != layer.shape {
            return Err(format!(
                "tensor {:.64} is {:?} {:?}; the layer is F64 {:?}",
                layer.name,
                tensor.dtype(),
                tensor.shape(),
                layer.shape
            ));
        }
        let (values, _) = tensor.data().as_chunks::<8>();
        weights.extend(values.iter().map(|value| f64::from_le_bytes(*value)));
        if weights.len() > MOST_WEIGHTS {
            return Err(format!("more than {MOST_WEIGHTS} weights"));
        }
    }
    Ok(weights)
}
