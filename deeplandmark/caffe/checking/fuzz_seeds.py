"""Small nets and solvers that `fuzz` starts from: every layer type that reads and writes no files."""
_MAPS, _ROWS = (2, 4, 6, 5), (3, 6)
_CONV = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" min: -1 }'

# type, settings, shapes of the bottoms, number of tops
_LAYERS = [
    ("AbsVal", "", [_MAPS], 1), ("Accuracy", "accuracy_param { top_k: 2 ignore_label: 1 }", [_ROWS, (3,)], 2),
    ("ArgMax", "argmax_param { top_k: 2 out_max_val: true axis: 1 }", [_MAPS], 1),
    ("BNLL", "", [_ROWS], 1), ("BatchNorm", "batch_norm_param { eps: 0.01 use_global_stats: false }", [_MAPS], 1),
    ("BatchReindex", "", [_ROWS, (4,)], 1), ("Bias", "bias_param { axis: 1 num_axes: 2 }", [_MAPS], 1),
    ("Clip", "clip_param { min: -1 max: 0.5 }", [_ROWS], 1), ("Concat", "concat_param { axis: 1 }", [_ROWS, _ROWS], 1),
    ("ContrastiveLoss", "contrastive_loss_param { margin: 0.5 legacy_version: true }", [_ROWS, _ROWS, (3,)], 1),
    ("Convolution", f"convolution_param {{ num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 1 group: 2 {_CONV} "
     "axis: 1 }", [_MAPS], 1),
    ("Convolution", "convolution_param { num_output: 2 kernel_h: 2 kernel_w: 1 stride_h: 2 stride_w: 3 bias_term: "
     "false force_nd_im2col: true }", [_MAPS], 1),
    ("ConvolutionDepthwise", f"convolution_param {{ num_output: 4 kernel_size: 3 {_CONV} }}", [_MAPS], 1),
    ("Crop", "crop_param { axis: 2 offset: 1 offset: 2 }", [_MAPS, (2, 4, 3, 3)], 1),
    ("Deconvolution", f"convolution_param {{ num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 2 {_CONV} }}",
     [_MAPS], 1),
    ("Convolution3D", "convolution3d_param { num_output: 4 kernel_depth: 2 kernel_size: 3 stride: 2 temporal_stride: 1 "
     f"pad: 1 temporal_pad: 1 filter_group: 2 {_CONV} }}", [(1, 2, 3, 4, 5)], 1),
    ("Convolution3D", f"convolution_param {{ num_output: 2 kernel_depth: 1 kernel_size: 2 {_CONV} }}",
     [(1, 2, 3, 4, 5)], 1),
    ("Pooling3D", "pooling3d_param { pool: AVE kernel_depth: 2 kernel_size: 3 stride: 2 temporal_stride: 2 pad: 1 }",
     [(1, 2, 3, 4, 5)], 1),
    ("Pooling3D", "pooling_param { pool: MAX kernel_depth: 2 kernel_size: 2 stride: 2 temporal_stride: 1 }",
     [(1, 2, 3, 4, 5)], 1),
    ("DepthWiseConvolution", f"convolution_param {{ num_output: 8 kernel_size: 1 group: 4 {_CONV} }}", [_MAPS], 1),
    ("DepthwiseConvolution", f"convolution_param {{ num_output: 4 kernel_size: 3 group: 4 {_CONV} }}", [_MAPS], 1),
    ("Dropout", "dropout_param { dropout_ratio: 0.3 }", [_ROWS], 1),
    ("DummyData", 'dummy_data_param { data_filler { type: "gaussian" std: 2 } shape { dim: 2 dim: 3 } }', [], 1),
    ("ELU", "elu_param { alpha: 0.5 }", [_ROWS], 1), ("Eltwise", "eltwise_param { operation: SUM coeff: 1 coeff: -2 }",
                                                     [_MAPS, _MAPS], 1),
    ("Embed", f"embed_param {{ num_output: 3 input_dim: 5 {_CONV} }}", [(4,)], 1),
    ("EuclideanLoss", "loss_weight: 2", [_ROWS, _ROWS], 1), ("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }",
                                                            [_ROWS], 1),
    ("Filter", "", [_ROWS, (3,)], 1), ("Flatten", "flatten_param { axis: 1 end_axis: 2 }", [_MAPS], 1),
    ("HingeLoss", "hinge_loss_param { norm: L2 }", [_ROWS, (3,)], 1),
    ("Im2col", "convolution_param { kernel_size: 3 pad: 1 stride: 2 dilation: 1 }", [_MAPS], 1),
    ("InnerProduct", f'param {{ name: "w" lr_mult: 1 decay_mult: 0 }} inner_product_param {{ num_output: 4 {_CONV} '
     "axis: 1 transpose: true }", [_MAPS], 1),
    ("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 k: 2 norm_region: WITHIN_CHANNEL }", [_MAPS], 1),
    ("LSTM", f"recurrent_param {{ num_output: 3 {_CONV} }}", [(2, 3, 4), (2, 3)], 1),
    ("LSTMUnit", "", [(1, 3, 2), (1, 3, 8), (1, 3)], 2),
    ("LocallySharedConvolution", f"convolution_param {{ num_output: 2 kernel_size: 3 {_CONV} }} "
     "local_share_param { p: 2 q: 3 }", [_MAPS], 1),
    ("LocallySharedScale", 'local_share_param { p: 3 q: 5 } scale_param { filler { type: "gaussian" } }', [_MAPS], 1),
    ("Log", "log_param { base: 2 shift: 9 }", [_ROWS], 1), ("MVN", "mvn_param { across_channels: true eps: 0.1 }",
                                                           [_MAPS], 1),
    ("MemoryData", "memory_data_param { batch_size: 2 channels: 1 height: 3 width: 4 }", [], 2),
    ("MultinomialLogisticLoss", "", [_ROWS, (3,)], 1),
    ("Noise", "noise_param { gaussian_std: 0.1 bias: 1 }", [_ROWS], 1),
    ("PReLU", "prelu_param { channel_shared: false filler { value: 0.1 } }", [_MAPS], 1),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 round_mode: CEIL }", [_MAPS], 2),
    ("Pooling", "pooling_param { pool: AVE kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1 }", [_MAPS], 1),
    ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", [_MAPS], 1),
    ("HSigmoid", "", [_ROWS], 1), ("HSwish", "", [_ROWS], 1), ("Mish", "", [_ROWS], 1),
    ("Axpy", "", [(2, 4, 1, 1), _MAPS, _MAPS], 1),
    ("BN", "bn_param { bn_mode: LEARN scale_filler { value: 1 } shift_filler { value: 2 } }", [_MAPS], 3),
    ("BN", "bn_param { frozen: false momentum: 0.8 eps: 0.1 slope_filler { value: 1 } }", [_MAPS], 1),
    ("BN", "bn_param { moving_average: true decay: 0.1 var_eps: 0.1 axis: 1 scale_filler { value: 1 } }", [_MAPS], 1),
    ("DenseTargets", "dense_targets_param { stride: 4 min_size: 1 max_size: 9 radius: 0.3 ignored_radius: 0.5 "
     "unit: 8 }", [_MAPS, (2, 3, 9)], 3),
    ("SigmoidFocalLoss", "focal_loss_param { alpha: 0.5 gamma: 1 }", [_MAPS, _MAPS], 1),
    ("Interp", "interp_param { shrink_factor: 2 zoom_factor: 3 pad_beg: -1 pad_end: 0 }", [_MAPS], 1),
    ("Interp", "interp_param { height: 4 width: 9 }", [_MAPS], 1),
    ("Normalize", "norm_param { across_spatial: false channel_shared: false eps: 0.1 scale_filler { value: 20 } }",
     [_MAPS], 1),
    ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", [_MAPS], 1),
    ("Transpose", "transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }", [_MAPS], 1),
    ("Reverse", "reverse_param { axis: 0 axis: -1 }", [_MAPS], 1),
    ("Lstm", f"lstm_param {{ num_output: 3 clipping_threshold: 0.5 {_CONV} }}", [(2, 3, 4), (6,)], 1),
    ("Lstm", f"lstm_param {{ num_output: 3 batch_size: 2 {_CONV} }}", [(6, 4)], 1),
    ("Correlation", "correlation_param { pad: 3 kernel_size: 3 max_displacement: 2 stride_1: 1 stride_2: 2 do_abs: "
     "true correlation_type: SUBTRACT }", [_MAPS, _MAPS], 1),
    ("Correlation1D", "correlation_param { pad: 2 kernel_size: 1 max_displacement: 2 stride_1: 2 single_direction: "
     "-1 }", [_MAPS, _MAPS], 1),
    ("DataAugmentation", "augmentation_param { crop_width: 4 crop_height: 5 recompute_mean: 2 mean_per_pixel: false "
     "max_multiplier: 1 }", [_MAPS], 2),
    ("DataAugmentation", "augmentation_param { mean: 1 mean: 2 mean: 3 mean_per_pixel: false mirror { prob: 0.5 } } "
     "coeff_schedule_param { half_life: 2 }", [(2, 3, 6, 5), _ROWS], 2),
    ("FlowWarp", "flow_warp_param { fill_value: NOT_A_NUMBER }", [_MAPS, (2, 2, 6, 5)], 1),
    ("ChannelNorm", "", [_MAPS], 1),
    ("Mean", "mean_param { operation: SUBTRACT value: 1 value: 2 mean_scale: 2 input_scale: 0.5 output_scale: 3 }",
     [_MAPS], 1),
    ("Resample", "resample_param { width: 3 height: 4 type: CUBIC antialias: true factor: 2 }", [_MAPS], 1),
    ("Resample", "resample_param { type: NEAREST }", [_MAPS, _MAPS], 1),
    ("Downsample", "downsample_param { top_height: 3 top_width: 2 }", [_MAPS], 1),
    ("L1Loss", "l1_loss_param { l2_per_location: true l2_prescale_by_channels: true normalize_by_num_entries: true "
     "epsilon: 0.1 plateau: 0.2 }", [_MAPS, _MAPS], 1),
    ("SpatialTransformer", "st_param { output_H: 3 output_W: 4 to_compute_dU: true theta_1_2: 0.5 theta_2_1: -0.5 }",
     [_MAPS, (2, 4)], 1),
    ("DeformableConvolution", f"deformable_convolution_param {{ num_output: 4 kernel_size: 3 stride: 1 pad: 1 "
     f"dilation: 1 group: 2 deformable_group: 2 {_CONV} }}", [_MAPS, (2, 36, 6, 5)], 1),
    ("Reorg", "reorg_param { stride: 2 reverse: true }", [_MAPS], 1),
    ("Reorg", "reorg_param { stride: 1 }", [_MAPS], 1),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }", [_MAPS], 1),
    ("Upsample", "upsample_param { scale: 3 }", [_MAPS], 1),
    ("Upsample", "upsample_param { scale_h: 2 scale_w: 2 pad_out_h: true }", [_MAPS, _MAPS], 1),
    ("Upsample", "upsample_param { upsample_h: 9 upsample_w: 7 }", [_MAPS, _MAPS], 1),
    ("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", [_MAPS, (3, 5)], 1),
    ("ROIAlign", "roi_align_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 sampling_ratio: 2 }", [_MAPS, (3, 5)],
     1),
    ("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 pad_ratio: 0.2 }", [_MAPS, (3, 5)],
     1),
    ("ROIAlign", "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 pad_ratio: 0.2 }", [_MAPS, (3, 5)], 1),
    ("PSROIAlign", "psroi_align_param { spatial_scale: 0.5 output_dim: 1 group_size: 2 sample_num: 3 }",
     [_MAPS, (3, 5)], 1),
    ("PSROIAlign", "psroi_align_param { spatial_scale: 0.5 output_dim: 1 group_size: 2 sampling_ratio: 0 }",
     [_MAPS, (3, 5)], 1),
    ("DeformablePSROIPooling", "deformable_psroi_pooling_param { spatial_scale: 0.5 output_dim: 1 group_size: 2 "
     "pooled_size: 2 part_size: 3 sample_per_part: 2 trans_std: 0.1 no_trans: false }", [_MAPS, (3, 5), (3, 2, 3, 3)],
     1),
    ("BoxOutput", "box_output_param { fg_thr: -1 iou_thr: 0.6 nms_type: 'IOMU' field_w: 20 field_w: 30 field_h: 30 "
     "field_h: 20 downsample_rate: 8 downsample_rate: 16 field_whr: 2 field_xyr: 2 max_nms_num: 9 max_post_nms_num: 5 "
     "min_size: 4 } bbox_reg_param { bbox_mean: [0, 0, 0, 0] bbox_std: [1, 1, 2, 2] }", [(2, 6, 3, 4), (2, 6, 2, 2)],
     2),
    ("BoxGroupOutput", "box_group_output_param { fg_thr: 0.1 box_group_param { field_w: 20 field_w: 30 field_h: 30 "
     "field_h: 20 stride: 8 } field_whr: 8 field_xyr: 1 max_nms_num: 9 min_size: 4 }", [(4, 2, 3, 4), (4, 4, 3, 4)], 1),
    ("DecodeBBox", "bbox_reg_param { bbox_mean: [0, 0, 0, 0] bbox_std: [1, 1, 2, 2] } decode_bbox_param { gt_iou_thr: "
     "0.9 }", [(3, 8), (3, 5)], 1),
    ("ScaleRoute", "scale_route_param { low_scale: 1 high_scale: 9 }", [(3, 5), (3, 2)], 2),
    ("LabelSpecificAdd", "label_specific_add_param { bias: -0.35 bias_base: 0 bias_gamma: 0.1 bias_power: 2 bias_min: "
     "-1 bias_max: 1 iteration: 3 }", [_ROWS, (3,)], 2),
    ("CosinAddm", "cosin_add_m_param { m: 0.5 }", [_ROWS, (3,)], 1),
    ("CombinedMargin", "combined_margin_param { m1: 1 m2: 0.3 m3: 0.2 }", [_ROWS, (3,)], 1),
    ("InnerProduct", f"inner_product_param {{ num_output: 4 normalize: true {_CONV} }}", [_MAPS], 1),
    ("Normalize", "normalize_param { bp_norm: true normalize_type: 'L1' }", [_MAPS], 2),
    ("ROIWarping", "roi_warping_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", [_MAPS, (3, 5)], 1),
    ("MaskPooling", "", [_MAPS, (2, 1, 6, 5)], 1),
    ("MaskResize", "mask_resize_param { output_height: 3 output_width: 7 factor_height: 0.5 factor_width: 2 }", [_MAPS],
     1),
    ("ConvolutionRistretto", f"convolution_param {{ num_output: 2 kernel_size: 2 {_CONV} }} quantization_param {{ "
     "bw_params: 6 fl_params: 4 bw_layer_in: 8 fl_layer_in: 3 bw_layer_out: 8 fl_layer_out: 2 rounding_scheme: "
     "STOCHASTIC }", [_MAPS], 1),
    ("DeconvolutionRistretto", f"convolution_param {{ num_output: 2 kernel_size: 2 {_CONV} }} quantization_param {{ "
     "precision: MINIFLOAT mant_bits: 3 exp_bits: 4 }", [_MAPS], 1),
    ("FcRistretto", f"inner_product_param {{ num_output: 2 {_CONV} }} quantization_param {{ precision: "
     "INTEGER_POWER_OF_2_WEIGHTS exp_min: -6 exp_max: -1 }", [_MAPS], 1),
    ("ImResize", "imresize_param { factor: 2 start_scale: 1 scale_gap: 0.3 }", [_MAPS], 1),
    ("ImResize", "imresize_param { target_spatial_width: 9 target_spatial_height: 4 }", [_MAPS], 1),
    ("Nms", "nms_param { threshold: 0.05 max_peaks: 3 num_parts: 2 }", [_MAPS], 1),
    ("PointPatches", "point_patches_param { rows: 3 columns: 2 half_side: 0.5 mirrored: 1 jitter: 0.1 }",
     [_MAPS, (2, 4)], 2),
    ("PointSimilarity", "", [(2, 6), (2, 6)], 1),
    ("TransformPoints", "transform_points_param { inverse: true }", [(2, 6), (2, 2, 3)], 1),
    ("TransformMaps", "transform_maps_param { left: -2 top: -1 right: 2 bottom: 1 }", [_MAPS, (2, 2, 3)], 1),
    ("PointHeat", "point_heat_param { rows: 5 columns: 4 size: 3 left: -2 top: -2 right: 2 bottom: 2 }", [(2, 6)], 1),
    ("PointDistanceLoss", "point_distance_loss_param { first: 0 second: 1 second: 2 }", [_ROWS, _ROWS], 1),
    ("PSROIPooling", "psroi_pooling_param { spatial_scale: 0.5 output_dim: 1 group_size: 2 }", [_MAPS, (3, 5)], 1),
    ("Proposal", "proposal_param { feat_stride: 16 base_size: 16 min_size: 4 ratio: 0.5 ratio: 2 scale: 8 "
     "pre_nms_topn: 50 post_nms_topn: 5 nms_thresh: 0.7 }", [(1, 4, 3, 4), (1, 8, 3, 4), (1, 3)], 2),
    ("PriorBox", "prior_box_param { min_size: 3 max_size: 5 aspect_ratio: 2 flip: true clip: false variance: 0.1 "
     "variance: 0.1 variance: 0.2 variance: 0.2 step: 2 offset: 0.5 img_size: 12 }", [_MAPS, _MAPS], 1),
    ("DetectionOutput", "detection_output_param { num_classes: 2 share_location: true background_label_id: 0 "
     "nms_param { nms_threshold: 0.4 top_k: 4 eta: 0.9 } code_type: CENTER_SIZE keep_top_k: 5 "
     "confidence_threshold: 0.01 variance_encoded_in_target: false }", [(2, 12), (2, 6), (1, 2, 12)], 1),
    ("CtcLoss", "ctc_loss_param { alphabet_size: 4 time_step: 5 blank_label: 3 }", [(5, 2, 4), (2, 3)], 1),
    ("CTCLoss", "ctc_loss_param { blank_index: 3 output_delay: 1 preprocess_collapse_repeated: true "
     "ctc_merge_repeated: true }", [(5, 2, 4), (2,), (2,), (3, 2)], 1),
    ("WarpCTCLoss", "propagate_down: [true, false]", [(5, 2, 4), (2, 3)], 1),
    ("CTCGreedyDecoder", "ctc_decoder_param { blank_index: 3 ctc_merge_repeated: false }",
     [(5, 2, 4), (5, 2), (5, 2)], 3),
    ("LabelsequenceAccuracy", "labelsequence_accuracy_param { blank_label: 3 }", [(2, 5, 4), (2, 3)], 1),
    ("DetectionEvaluate", "detection_evaluate_param { num_classes: 3 background_label_id: 2 overlap_threshold: 0.5 "
     "evaluate_difficult_gt: false }", [(1, 1, 3, 7), (1, 1, 2, 8)], 1),
    ("Region", "region_param { classes: 1 coords: 2 boxes_of_each_grid: 1 softmax: true }", [_MAPS], 1),
    ("YoloDetectionOutput", "yolo_detection_output_param { num_classes: 1 num_box: 2 biases: 1 biases: 2 biases: 3 "
     "biases: 1 coords: 4 confidence_threshold: 0.01 nms_threshold: 0.4 }", [(1, 12, 3, 3)], 1),
    ("Yolov3DetectionOutput", "yolov3_detection_output_param { num_classes: 1 num_box: 1 biases: 10 biases: 20 "
     "biases: 30 biases: 10 mask: 1 mask: 0 mask_group_num: 2 anchors_scale: 32 anchors_scale: 16 "
     "confidence_threshold: 0.01 }", [(1, 6, 3, 3), (1, 6, 2, 2)], 1),
    ("BoxAnnotatorOHEM", "box_annotator_ohem_param { roi_per_img: 2 ignore_label: -1 } propagate_down: [false, false, "
     "false, false]", [(3, 5), (3,), (3,), (3, 8)], 2),
    ("SoftmaxWithLossOHEM", "loss_weight: [1, 0, 0] propagate_down: [true, false] loss_param { ignore_label: 1 "
     "normalization: PRE_FIXED pre_fixed_normalizer: 4 }", [_ROWS, (3,)], 3),
    ("SmoothL1LossOHEM", "loss_weight: [1, 0] loss_param { normalization: NONE }", [_ROWS, _ROWS, _ROWS], 2),
    ("FocalLoss", "focal_loss_param { alpha: 0.3 gamma: 1.5 axis: 1 } propagate_down: [true, false]", [_ROWS, (3,)], 1),
    ("FocalLoss", "focal_loss_param { alpha: 0.3 gamma: 1.5 }", [_ROWS, _ROWS], 1),
    ("MultiBoxLoss", "multibox_loss_param { num_classes: 2 background_label_id: 1 loc_weight: 2 overlap_threshold: 0.4 "
     "neg_pos_ratio: 3 neg_overlap: 0.4 code_type: CENTER_SIZE mining_type: NONE use_prior_for_matching: true }",
     [(2, 12), (2, 6), (1, 2, 12), (1, 1, 2, 8)], 1),
    ("L2Normalization", "", [_MAPS], 1), ("L2Normalize", "", [_ROWS], 1), ("Normalization", "", [(3,)], 1),
    ("Normalize", "", [_MAPS], 2), ("SoftmaxWithFocalLoss", "propagate_down: [true, false]", [_ROWS, (3,)], 1),
    ("Convolution", f"convolution_param {{ num_output: 2 kernel_size: 2 hole: 2 {_CONV} }}", [_MAPS], 1),
    ("CenterLoss", "center_loss_param { num_output: 4 center_filler { type: \"xavier\" } axis: 1 }", [_ROWS, (3,)], 1),
    ("MarginInnerProduct", "margin_inner_product_param { num_output: 4 type: QUADRUPLE "
     "weight_filler { type: \"xavier\" } axis: 1 base: 10 gamma: 0.1 power: 1 iteration: 2 lambda_min: 1 }",
     [_ROWS, (3,)], 2),
    ("ContinuationIndicator", "continuation_indicator_param { time_step: 3 batch_size: 2 }", [], 1),
    ("Power", "power_param { power: 2 scale: 0.5 shift: 1 }", [_ROWS], 1),
    ("RNN", f"recurrent_param {{ num_output: 3 {_CONV} expose_hidden: false }}", [(2, 3, 4), (2, 3), (3, 2)], 1),
    ("ReLU", "relu_param { negative_slope: 0.1 }", [_MAPS], 1), ("ReLU6", "", [_ROWS], 1),
    ("Reduction", "reduction_param { operation: ASUM axis: 1 coeff: 2 }", [_MAPS], 1),
    ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } axis: 1 num_axes: 2 }", [_MAPS], 1),
    ("SPP", "spp_param { pyramid_height: 2 pool: MAX }", [_MAPS], 1),
    ("Scale", 'scale_param { axis: 1 num_axes: 1 bias_term: true filler { type: "msra" } }', [_MAPS], 1),
    ("Sigmoid", "", [_ROWS], 1), ("SigmoidCrossEntropyLoss", "loss_param { normalization: FULL }", [_ROWS, _ROWS], 1),
    ("Silence", "", [_ROWS], 0), ("Slice", "slice_param { axis: 1 slice_point: 1 }", [_MAPS], 2),
    ("Softmax", "softmax_param { axis: 1 }", [_MAPS], 1),
    ("SoftmaxWithLoss", "loss_param { ignore_label: 1 normalization: VALID } propagate_down: true "
     "propagate_down: false", [_ROWS, (3,)], 1),
    ("SelectiveEuclideanLoss", "row_selection_param { label: 0 label: 1 keep: 0.7 }", [_ROWS, _ROWS, (3,)], 1),
    ("SelectiveSoftmaxWithLoss", "row_selection_param { keep: 0.7 }", [_ROWS, (3,)], 1),
    ("SmoothL1Loss", "smooth_l1_loss_param { sigma: 2 }", [_ROWS, _ROWS], 1),
    ("PointSIFT", "point_sift_param { cell: 2 sigma: 0.5 right: 1.5 }", [(2, 1, 8, 9), (2, 4)], 1),
    ("SoftArgmax", "soft_argmax_param { left: -1.5 bottom: 2 }", [_MAPS], 1),
    ("Split", "", [_ROWS], 2), ("Swish", "swish_param { beta: 2 }", [_ROWS], 1), ("TanH", "", [_ROWS], 1),
    ("Threshold", "threshold_param { threshold: 0.5 }", [_ROWS], 1),
    ("Tile", "tile_param { axis: 1 tiles: 2 }", [_ROWS], 1),
    ("VisibleTarget", "", [_ROWS, _ROWS], 1),
    ("WeightEuclideanLoss", "weight_euclidean_loss_param { normalized: 1 normalized_type: 1 }", [_ROWS, _ROWS], 1),
]

_WHOLE = [f"""name: "small" force_backward: true state {{ stage: "a" }}
layer {{ name: "data" type: "Input" top: "data" top: "label" input_param {{ shape {{ dim: 2 dim: 1 dim: 8 dim: 8 }}
  shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" param {{ lr_mult: 1 }} param {{ lr_mult: 2 }}
  convolution_param {{ num_output: 4 kernel_size: 3 {_CONV} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "flat" type: "Flatten" bottom: "pool" top: "flat" include {{ phase: TEST not_stage: "b" }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param {{ num_output: 3 }} }}
layer {{ name: "sum" type: "Eltwise" bottom: "fc" bottom: "fc" top: "sum" }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "sum" bottom: "label" top: "loss" exclude {{ min_level: 1 }} }}
""", """name: "v1" input: "x" input_dim: 2 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 2 kernel_size: 3 } }
layers { name: "r" type: RELU bottom: "c" top: "c" }
layers { name: "i" type: INNER_PRODUCT bottom: "c" top: "i" inner_product_param { num_output: 2 } }
layers { name: "s" type: SOFTMAX bottom: "i" top: "s" }
""", """input: "x" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }
layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 stride: 2 blobs_lr: 1.
  weight_filler { type: "gaussian" std: 0.1 } } bottom: "p" top: "c" }
layers { layer { name: "q" type: "pool" pool: MAX kernelsize: 2 stride: 2 } bottom: "c" top: "q" }
layers { layer { name: "i" type: "innerproduct" num_output: 3 biasterm: false } bottom: "q" top: "i" }
"""]

SOLVERS = ["""net: "nowhere.prototxt" test_iter: 3 test_interval: 100 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005
lr_policy: "inv" gamma: 0.0001 power: 0.75 display: 10 max_iter: 100 snapshot: 50 snapshot_prefix: "x" solver_mode: CPU
stepvalue: 3 stepvalue: 9 type: "Adam" delta: 1e-8 momentum2: 0.999 regularization_type: "L1" clip_gradients: 3
iter_size: 2 average_loss: 5 random_seed: 3 solver_type: NESTEROV train_state { level: 1 stage: "a" }
net_param { name: "x" layer { name: "a" type: "ReLU" } }
"""]


def _net(type_name, settings, shapes, tops):
    text = "".join(f'layer {{ name: "in{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
                   f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}\n' for i, shape in enumerate(shapes))
    bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(shapes)))
    names = " ".join(f'top: "y{i}"' for i in range(tops))
    return f'{text}layer {{ name: "op" type: "{type_name}" {bottoms} {names} {settings} }}\n'


NETS = _WHOLE + [_net(*settings) for settings in _LAYERS]
