variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "key_arn" {
  description = "KMS key of this region, from the module key."
  type        = string
}

variable "replica_keys" {
  description = "Further regions with gateways, each with its KMS key: the enrollment token is readable there too."
  type        = map(string)
  default     = {}
}
