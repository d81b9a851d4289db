/// Price files in the community's format, as large as the real one.
package enum PriceFile {
    /// A file of `vendors` times `models` entries, of `vendor-0`, `vendor-1`…, by turns: some 500 bytes each.
    /// Every hundredth model of a vendor has a cost that cannot be taken.
    package static func generated(vendors: Int, models: Int) -> String {
        var entries = [#""sample_spec": {"litellm_provider": "one of", "mode": "one of"}"#]
        for model in 0..<models {
            for vendor in 0..<vendors {
                let cost = model % 100 == 99 ? "\"free\"" : "\(vendor + 1)e-07"
                entries.append(
                    """
                    "vendor-\(vendor)/model-\(model)": {
                            "cache_creation_input_token_cost": 3.75e-06,
                            "cache_read_input_token_cost": 1e-08,
                            "input_cost_per_token": \(cost),
                            "litellm_provider": "vendor-\(vendor)",
                            "max_input_tokens": 200000,
                            "max_output_tokens": 64000,
                            "mode": "chat",
                            "output_cost_per_token": 1.5e-05,
                            "source": "https://example.com/vendor-\(vendor)/pricing",
                            "supported_modalities": ["text", "image"],
                            "supports_function_calling": true,
                            "supports_reasoning": true
                        }
                    """)
            }
        }
        return "{\n    \(entries.joined(separator: ",\n    "))\n}\n"
    }
}
