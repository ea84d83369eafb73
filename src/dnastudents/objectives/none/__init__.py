"""No pretraining: the control that every recipe is compared with."""
