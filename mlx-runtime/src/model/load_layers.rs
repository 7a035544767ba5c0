//! Loads norms and convolutions.
//!
//! Tests: `mlx-tests --test models`.

use super::loader::{join, Fill, LoadDim};
use super::Loader;
use crate::nn::conv::Steps;
use crate::nn::pair::Pair;
use crate::nn::{Conv1d, Conv2d, GroupNorm, LayerNorm, RmsNorm, SwitchLinear};

impl Loader {
    /// A normalisation over `dim` with a weight that lacks `offset`.
    pub fn rms_norm(
        &mut self,
        path: &str,
        dim: LoadDim,
        eps: f32,
        offset: f32,
        frozen: bool,
    ) -> RmsNorm {
        self.eps(path, eps);
        let fill = Fill::Value(1.0 - offset);
        let weight = self.tensor(&join(path, "weight"), &[dim], fill);
        let mut layer = RmsNorm::from_parts(weight, eps, offset, self.frozen());
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A normalisation over `dim` with a mean.
    pub fn layer_norm(
        &mut self,
        path: &str,
        dim: LoadDim,
        eps: f32,
        bias: bool,
        frozen: bool,
    ) -> LayerNorm {
        self.eps(path, eps);
        let weight = self.tensor(&join(path, "weight"), &[dim], Fill::Value(1.0));
        let bias = bias.then(|| self.tensor(&join(path, "bias"), &[dim], Fill::Zeros));
        let mut layer = LayerNorm::from_parts(Pair::new(weight, bias, self.frozen()), eps);
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A normalisation over groups of `dim` features.
    #[allow(clippy::too_many_arguments)] // one argument for each attribute of the definition
    pub fn group_norm(
        &mut self,
        path: &str,
        dim: LoadDim,
        groups: LoadDim,
        eps: f32,
        pytorch_compatible: bool,
        frozen: bool,
    ) -> GroupNorm {
        self.eps(path, eps);
        let (features, by) = (dim.size(), groups.size());
        if by < 1 || features % by.max(1) != 0 {
            self.error(format!(
                "{path}: expected groups that divide {features} features, found {by}"
            ));
        }
        let weight = self.tensor(&join(path, "weight"), &[dim], Fill::Value(1.0));
        let bias = self.tensor(&join(path, "bias"), &[dim], Fill::Zeros);
        let sizes = [by.max(1), features].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
        let tensors = Pair::new(weight, Some(bias), self.frozen());
        let mut layer = GroupNorm::from_parts(tensors, sizes, eps, pytorch_compatible);
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A stack of linear maps `[experts, out, in]`.
    #[allow(clippy::too_many_arguments)] // one argument for each attribute of the definition
    pub fn switch_linear(
        &mut self,
        path: &str,
        experts: LoadDim,
        out: LoadDim,
        input: LoadDim,
        bias: bool,
        lora: bool,
        frozen: bool,
    ) -> SwitchLinear {
        let dims = [experts, out, input];
        let weight = self.matrix(path, &dims, Fill::Uniform(input.size()));
        let sizes = dims.map(|d| i32::try_from(d.size()).unwrap_or(i32::MAX));
        let bias = bias.then(|| self.tensor(&join(path, "bias"), &[experts, out], Fill::Zeros));
        let mut layer = SwitchLinear::from_parts(weight, bias, sizes, lora, self.frozen());
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A convolution along one axis.
    #[allow(clippy::too_many_arguments)] // one argument for each attribute of the definition
    pub fn conv1d(
        &mut self,
        path: &str,
        out: LoadDim,
        kernel: LoadDim,
        input: LoadDim,
        stride: LoadDim,
        padding: LoadDim,
        dilation: LoadDim,
        groups: LoadDim,
        bias: bool,
        frozen: bool,
    ) -> Conv1d {
        let steps = self.steps(path, [stride], [padding], [dilation], groups);
        let tensors = self.kernels(path, out, &[kernel], input, groups, bias);
        let mut layer = Conv1d::from_parts(tensors, steps);
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A convolution along two axes.
    #[allow(clippy::too_many_arguments)] // one argument for each attribute of the definition
    pub fn conv2d(
        &mut self,
        path: &str,
        out: LoadDim,
        height: LoadDim,
        width: LoadDim,
        input: LoadDim,
        stride: [LoadDim; 2],
        padding: [LoadDim; 2],
        dilation: [LoadDim; 2],
        groups: LoadDim,
        bias: bool,
        frozen: bool,
    ) -> Conv2d {
        let steps = self.steps(path, stride, padding, dilation, groups);
        let tensors = self.kernels(path, out, &[height, width], input, groups, bias);
        let mut layer = Conv2d::from_parts(tensors, steps);
        if frozen {
            layer.pin();
        }
        layer
    }

    /// `[out, kernel.., in / groups]` and `[out]`.
    fn kernels(
        &mut self,
        path: &str,
        out: LoadDim,
        kernel: &[LoadDim],
        input: LoadDim,
        groups: LoadDim,
        bias: bool,
    ) -> Pair {
        let by = groups.size().max(1);
        if input.size() % by != 0 || out.size() % by != 0 {
            self.error(format!(
                "{path}: expected groups that divide inputs and outputs, found {} for {} inputs and {} outputs",
                groups.size(),
                input.size(),
                out.size()
            ));
        }
        let each = match by {
            1 => input,
            _ => LoadDim::new("in / groups", input.size() / by),
        };
        let mut dims = vec![out];
        dims.extend_from_slice(kernel);
        dims.push(each);
        // Uniform in the number of values that one output reads, as in MLX.
        let reads = kernel
            .iter()
            .fold(each.size(), |n, k| n.saturating_mul(k.size()));
        let fill = Fill::Uniform(reads.max(1));
        let weight = self.tensor(&join(path, "weight"), &dims, fill);
        let bias = bias.then(|| self.tensor(&join(path, "bias"), &[out], Fill::Zeros));
        Pair::new(weight, bias, self.frozen())
    }

    /// The stride, padding, dilation and groups of a window, checked as the sizes of tensors are.
    fn steps<const N: usize>(
        &mut self,
        path: &str,
        stride: [LoadDim; N],
        padding: [LoadDim; N],
        dilation: [LoadDim; N],
        groups: LoadDim,
    ) -> Steps<N> {
        let mut number = |d: LoadDim, least: i32| match i32::try_from(d.size()) {
            Ok(n) if n >= least => n,
            _ => {
                self.error(format!(
                    "{path}: the config gives {} = {}",
                    d.text(),
                    d.size()
                ));
                1
            }
        };
        Steps {
            stride: stride.map(|d| number(d, 1)),
            padding: padding.map(|d| number(d, 0)),
            dilation: dilation.map(|d| number(d, 1)),
            groups: number(groups, 1),
        }
    }

    /// Refuses an `eps` that makes the root's argument negative or NaN.
    fn eps(&mut self, path: &str, eps: f32) {
        if !(eps.is_finite() && eps >= 0.0) {
            self.error(format!(
                "{path}: invalid eps {eps}: expected a finite number of at least 0"
            ));
        }
    }
}
