variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "days" {
  description = "How long access logs are kept."
  type        = number
  default     = 90
}
