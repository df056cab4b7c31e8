//! The proof of the model's faithfulness: measured tables as text, played on the model.
