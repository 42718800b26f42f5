import { IsInt, IsNumber, IsString, Matches, Max, Min } from 'class-validator';

/** The body of `POST /analytics/events`: a line of an access log. */
export class LogEvent {
  @IsString()
  @Matches(/^\//, { message: 'path must begin with a slash' })
  readonly path!: string;

  @IsInt()
  @Min(100)
  @Max(599)
  readonly status!: number;

  @IsNumber()
  @Min(0)
  readonly durationMs!: number;
}
