//! Each operation that can be called wrongly says which one it was and with which shapes; and a `%`
//! in a name comes through, though MLX C hands its messages to a function of the family of `printf`.

use mlx_runtime::fft::{self, Norm};
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::ops::packed::{self, Chosen, Packed, Quantization, RightSide};
use mlx_runtime::ops::{self, Conv, PadMode, Side};
use mlx_runtime::{io, linalg, random, s, transforms, Array, Dtype, Error, Result};

/// Arrays that do not fit together, with shapes that no message has by chance.
struct Wrong {
    /// `[7, 13]`, float32.
    x: Array,
    /// `[11, 5]`, float32.
    y: Array,
    /// `[17]`, float32.
    v: Array,
    /// `[7, 13]`, bool.
    flag: Array,
    /// `[2]`, int32.
    at: Array,
}

type Call = fn(&Wrong) -> Result<Array>;

/// As the operation, if it makes a list or a pair.
fn first(made: Result<Vec<Array>>) -> Result<Array> {
    made.map(|mut all| all.swap_remove(0))
}

fn left(made: Result<(Array, Array)>) -> Result<Array> {
    made.map(|pair| pair.0)
}

macro_rules! calls {
    ($($name:ident => |$w:ident| $e:expr;)*) => { vec![$((stringify!($name), (|$w: &Wrong| $e) as Call)),*] };
}

macro_rules! both {
    ($all:ident: $($name:ident)*) => { $($all.push((stringify!($name), (|w: &Wrong| ops::$name(&w.x, &w.y)) as Call));)* };
}

macro_rules! reductions {
    ($all:ident: $($name:ident)*) => { $($all.push((stringify!($name), (|w: &Wrong| ops::$name(&w.x, &[5], false)) as Call));)* };
}

macro_rules! updates {
    ($all:ident: $($name:ident)*) => { $($all.push((stringify!($name), (|w: &Wrong| {
        ops::$name(&w.x, &w.y, &[0, 0], &[2, 2], &[1, 1])
    }) as Call));)* };
}

macro_rules! scatters {
    ($all:ident: $($name:ident)*) => { $($all.push((stringify!($name), (|w: &Wrong| {
        ops::$name(&w.x, &[&w.at], &w.y, &[0])
    }) as Call));)* };
}

macro_rules! scans {
    ($all:ident: $($name:ident)*) => { $($all.push((stringify!($name), (|w: &Wrong| {
        ops::$name(&w.x, 5, false, true)
    }) as Call));)* };
}

fn table() -> Vec<(&'static str, Call)> {
    let mut all = calls! {
        where_ => |w| ops::where_(&w.flag, &w.x, &w.y);
        clip => |w| ops::clip(&w.x, Some(&w.y), None);
        isclose => |w| ops::isclose(&w.x, &w.y, 1e-5, 1e-8, false);
        allclose => |w| ops::allclose(&w.x, &w.y, 1e-5, 1e-8, false);
        divmod => |w| left(ops::divmod(&w.x, &w.y));
        negative => |w| ops::negative(&w.flag);
        bitwise_invert => |w| ops::bitwise_invert(&w.x);
        var => |w| ops::var(&w.x, &[5], false, 0);
        std => |w| ops::std(&w.x, &[5], false, 0);
        softmax => |w| ops::softmax(&w.x, &[5], false);
        argmax => |w| ops::argmax(&w.x, 5, false);
        argmin => |w| ops::argmin(&w.x, 5, false);
        sort => |w| ops::sort(&w.x, 5);
        argsort => |w| ops::argsort(&w.x, 5);
        partition => |w| ops::partition(&w.x, 50, 0);
        argpartition => |w| ops::argpartition(&w.x, 50, 0);
        topk => |w| ops::topk(&w.x, 50, 0);
        reshape => |w| ops::reshape(&w.x, &[2, 2]);
        flatten => |w| ops::flatten(&w.x, 5, 6);
        unflatten => |w| ops::unflatten(&w.x, 0, &[2, 2]);
        squeeze => |w| ops::squeeze(&w.x, &[0]);
        expand_dims => |w| ops::expand_dims(&w.x, &[9]);
        transpose => |w| ops::transpose(&w.x, &[0, 0]);
        swapaxes => |w| ops::swapaxes(&w.x, 0, 5);
        moveaxis => |w| ops::moveaxis(&w.x, 0, 5);
        broadcast_to => |w| ops::broadcast_to(&w.x, &[2, 2]);
        broadcast_arrays => |w| first(ops::broadcast_arrays(&[&w.x, &w.y]));
        tile => |w| ops::tile(&w.x, &[-1]);
        repeat => |w| ops::repeat(&w.x, -1, 0);
        roll => |w| ops::roll(&w.x, 1, 5);
        roll_axes => |w| ops::roll_axes(&w.x, &[1], &[5]);
        flip => |w| ops::flip(&w.x, &[5]);
        pad => |w| ops::pad(&w.x, &[(1, 1)], &w.v);
        pad_symmetric => |w| ops::pad_symmetric(&w.x, 1, &w.v, PadMode::Constant);
        concatenate => |w| ops::concatenate(&[&w.x, &w.y], 0);
        stack => |w| ops::stack(&[&w.x, &w.y], 0);
        split => |w| first(ops::split(&w.x, 3, 0));
        split_at => |w| first(ops::split_at(&w.x, &[1], 5));
        unstack => |w| first(ops::unstack(&w.x, 5));
        as_strided => |w| ops::as_strided(&w.x, &[1000], &[1], 0);
        tril => |w| ops::tril(&w.v, 0);
        triu => |w| ops::triu(&w.v, 0);
        diagonal => |w| ops::diagonal(&w.x, 0, 0, 5);
        trace => |w| ops::trace(&w.v);
        trace_axes => |w| ops::trace_axes(&w.x, 0, 0, 5, Dtype::Float32);
        diff => |w| ops::diff(&w.x, 1, 5);
        view => |w| ops::view(&w.x, Dtype::Complex64);
        full => |w| ops::full(&[2, 2], &w.x, Dtype::Float32);
        full_like => |w| ops::full_like(&w.x, &w.y, Dtype::Float32);
        searchsorted => |w| ops::searchsorted(&w.x, &w.y, Side::Left);
        count_nonzero => |w| ops::count_nonzero(&w.x, &[5], false);
        number_of_elements => |w| ops::number_of_elements(&w.x, &[5], false, Dtype::Float32);
        slice => |w| ops::slice(&w.x, &[0], &[1], &[1]);
        slice_update => |w| ops::slice_update(&w.x, &w.y, &[0, 0], &[2, 2], &[1, 1]);
        slice_dynamic => |w| ops::slice_dynamic(&w.x, &w.at, &[0, 5], &[1, 1]);
        slice_update_dynamic => |w| ops::slice_update_dynamic(&w.x, &w.y, &w.at, &[0, 5]);
        take => |w| ops::take(&w.x, &w.at, 5);
        take_along_axis => |w| ops::take_along_axis(&w.x, &w.at, 0);
        put_along_axis => |w| ops::put_along_axis(&w.x, &w.at, &w.y, 0);
        scatter_add_axis => |w| ops::scatter_add_axis(&w.x, &w.at, &w.y, 0);
        gather => |w| ops::gather(&w.x, &[&w.at], &[5], &[1, 1]);
        gather_single => |w| ops::gather_single(&w.x, &w.at, 5, &[1, 1]);
        scatter_single => |w| ops::scatter_single(&w.x, &w.at, &w.y, 0);
        scatter_add_single => |w| ops::scatter_add_single(&w.x, &w.at, &w.y, 0);
        scatter_prod_single => |w| ops::scatter_prod_single(&w.x, &w.at, &w.y, 0);
        scatter_max_single => |w| ops::scatter_max_single(&w.x, &w.at, &w.y, 0);
        scatter_min_single => |w| ops::scatter_min_single(&w.x, &w.at, &w.y, 0);
        masked_scatter => |w| ops::masked_scatter(&w.x, &w.x, &w.y);
        addmm => |w| ops::addmm(&w.x, &w.x, &w.y, 1.0, 1.0);
        vecdot => |w| ops::vecdot(&w.x, &w.y, 0);
        tensordot => |w| ops::tensordot(&w.x, &w.y, &[0], &[0]);
        tensordot_axis => |w| ops::tensordot_axis(&w.x, &w.y, 1);
        einsum => |w| ops::einsum("ij,jk->ik", &[&w.x, &w.y]);
        gather_mm => |w| ops::gather_mm(&w.x, &w.y, None, None, false);
        segmented_mm => |w| ops::segmented_mm(&w.x, &w.y, &w.at);
        block_masked_mm => |w| ops::block_masked_mm(&w.x, &w.y, 32, None, None, None);
        conv1d => |w| ops::conv1d(&w.x, &w.y, 1, 0, 1, 1);
        conv2d => |w| ops::conv2d(&w.x, &w.y, (1, 1), (0, 0), (1, 1), 1);
        conv3d => |w| ops::conv3d(&w.x, &w.y, (1, 1, 1), (0, 0, 0), (1, 1, 1), 1);
        conv_general => |w| Conv::new().apply(&w.x, &w.y);
        conv_transpose => |w| Conv::new().transposed(&w.x, &w.y);
        conv_transpose1d => |w| ops::conv_transpose1d(&w.x, &w.y, 1, 0, 1, 0, 1);
        conv_transpose2d => |w| ops::conv_transpose2d(&w.x, &w.y, (1, 1), (0, 0), (1, 1), (0, 0), 1);
        conv_transpose3d => |w| ops::conv_transpose3d(&w.x, &w.y, (1, 1, 1), (0, 0, 0), (1, 1, 1), (0, 0, 0), 1);
        quantize => |w| ops::quantize(&w.x, 64, 4).map(|p| p.0);
        dequantize => |w| ops::dequantize(&w.x, &w.y, &w.y, 64, 4);
        quantized_matmul => |w| ops::quantized_matmul(&w.x, &w.y, &w.y, &w.y, true, 64, 4);
        gather_qmm => |w| {
            let packed = Packed { weight: w.x.clone(), scales: w.y.clone(), biases: Some(w.y.clone()) };
            packed::gather_qmm(&w.x, &packed, Chosen::default(), true, Quantization::default())
        };
        qqmm => |w| {
            let right = RightSide { weight: &w.y, scales: None, global_scales: None };
            packed::qqmm(&w.x, right, Quantization::Nvfp4)
        };
        rms_norm => |w| fast::rms_norm(&w.x, Some(&w.v), 1e-5);
        layer_norm => |w| fast::layer_norm(&w.x, Some(&w.v), None, 1e-5);
        rope => |w| fast::rope(&w.x, 3, false, Some(1.0), 1.0, 0, None);
        rope_dynamic => |w| fast::rope_dynamic(&w.x, 3, false, Some(1.0), 1.0, &w.at, None);
        scaled_dot_product_attention =>
            |w| fast::scaled_dot_product_attention(&w.x, &w.x, &w.y, 1.0, Mask::None, None);
        cross_entropy => |w| fast::cross_entropy(&w.x, &w.at);
        index => |w| w.x.index(s![0, 0, 0]);
        index_update => |w| w.x.index_update(s![0], &w.y);
        item => |w| w.x.item::<f32>().map(|_| w.x.clone());
        dim => |w| w.x.dim(5).map(|_| w.x.clone());
        fft => |w| fft::fft(&w.x, 4, 5, Norm::Backward);
        ifft => |w| fft::ifft(&w.x, 4, 5, Norm::Backward);
        rfft => |w| fft::rfft(&w.x, 4, 5, Norm::Backward);
        irfft => |w| fft::irfft(&w.x, 4, 5, Norm::Backward);
        fft2 => |w| fft::fft2(&w.x, &[4, 4], &[0, 5], Norm::Backward);
        rfft2 => |w| fft::rfft2(&w.x, &[4, 4], &[0, 5], Norm::Backward);
        fftn => |w| fft::fftn(&w.x, &[4], &[5], Norm::Backward);
        fftshift => |w| fft::fftshift(&w.x, &[5]);
        ifftshift => |w| fft::ifftshift(&w.x, &[5]);
        inv => |w| linalg::inv(&w.x);
        tri_inv => |w| linalg::tri_inv(&w.x, false);
        cholesky => |w| linalg::cholesky(&w.x, false);
        cholesky_inv => |w| linalg::cholesky_inv(&w.x, false);
        det => |w| linalg::det(&w.x);
        slogdet => |w| left(linalg::slogdet(&w.x));
        solve => |w| linalg::solve(&w.x, &w.y);
        solve_triangular => |w| linalg::solve_triangular(&w.x, &w.y, false);
        eigh => |w| left(linalg::eigh(&w.x, linalg::Triangle::Lower));
        eigvalsh => |w| linalg::eigvalsh(&w.x, linalg::Triangle::Lower);
        eig => |w| left(linalg::eig(&w.x));
        eigvals => |w| linalg::eigvals(&w.x);
        qr => |w| left(linalg::qr(&w.v));
        svd => |w| first(linalg::svd(&w.v, true));
        pinv => |w| linalg::pinv(&w.v);
        lu => |w| first(linalg::lu(&w.v));
        cross => |w| linalg::cross(&w.x, &w.y, -1);
        norm_l2 => |w| linalg::norm_l2(&w.x, Some(&[5]), false);
        uniform => |w| random::uniform(&w.x, &w.y, &[2, 2], Dtype::Float32, None);
        bernoulli => |w| random::bernoulli(&w.x, &[2, 2], None);
        categorical => |w| random::categorical(&w.x, 5, None);
        shuffle => |w| random::shuffle(&w.x, 5, None);
        value_and_grad => |w| first(transforms::value_and_grad(|x| Ok(vec![x[0].clone()]), &[0]).call(std::slice::from_ref(&w.x)).map(|g| g.1));
    };
    both!(all: add subtract multiply divide power remainder floor_divide maximum minimum arctan2 logaddexp
        equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor matmul inner);
    reductions!(all: sum mean max min prod all any logsumexp median);
    updates!(all: slice_update_add slice_update_prod slice_update_max slice_update_min);
    scatters!(all: scatter scatter_add scatter_prod scatter_max scatter_min);
    scans!(all: cumsum cumprod cummax cummin logcumsumexp);
    all
}

/// Returns true if a message names the shape of an input.
fn tells(e: &Error) -> bool {
    let text = e.to_string();
    ["[7, 13]", "[11, 5]", "[17]", "[2]"]
        .iter()
        .any(|s| text.contains(s))
}

#[test]
fn errors_name_the_operation_and_the_shapes() -> Result<()> {
    let ones = |shape: &[i32]| ops::ones(shape, Dtype::Float32);
    let wrong = Wrong {
        x: ones(&[7, 13])?,
        y: ones(&[11, 5])?,
        v: ones(&[17])?,
        flag: ops::astype(&ones(&[7, 13])?, Dtype::Bool)?,
        at: Array::try_from([0i32, 1])?,
    };
    let (table, mut bad) = (table(), Vec::new());
    for (name, call) in &table {
        match call(&wrong) {
            Ok(made) => bad.push(format!("{name}: {made:?}")),
            Err(e) if e.op() != Some(name) => {
                bad.push(format!("{name} is called {:?}: {e}", e.op()))
            }
            Err(e) if !e.to_string().starts_with(&format!("{name}: ")) || !tells(&e) => {
                bad.push(format!("{name} has no shapes: {e}"));
            }
            Err(e) if e.to_string().contains("MLX gave no reason") => {
                bad.push(format!("{name} has no reason: {e}"));
            }
            Err(_) => {}
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {}:\n{}",
        bad.len(),
        table.len(),
        bad.join("\n")
    );
    assert!(table.len() >= 150, "{}", table.len());
    Ok(())
}

#[test]
fn names_with_percent_signs_come_through() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["100%", "%s%s%n", "50%d off", "a%%b"] {
        let path = folder.path().join(name);
        let shown = path.display().to_string();
        let says = |what: &str, e: Error| {
            let text = e.to_string();
            assert!(text.contains(name), "{what}: {text} does not name {shown}");
        };
        says("safetensors", io::load_safetensors(&path).unwrap_err());
        says("npy", io::load_npy(&path).unwrap_err());
        says("gguf", io::load_gguf(&path).unwrap_err());
        says("folder", io::load_safetensors_folder(&path).unwrap_err());
        let a = Array::scalar(1f32).unwrap();
        let inside = path.join("none");
        says("save", io::save_npy(&inside, &a).unwrap_err());
        says(
            "function",
            mlx_runtime::export::import_function(&path).unwrap_err(),
        );
    }
    // MLX's own message, with the text in it.
    let a = Array::scalar(1f32).unwrap();
    let e = ops::einsum("%s->", &[&a]).unwrap_err();
    assert!(e.to_string().contains("'%'"), "{e}");
}
